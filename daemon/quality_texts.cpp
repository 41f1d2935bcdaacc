#include "daemon/quality_texts.h"

namespace qwend {

namespace {

constexpr std::string_view kTexts[] = {
    R"(The harbour master kept two books. One was for the port authority and held tonnage, draught
and the hour at which each vessel crossed the bar; the other he wrote for himself, in pencil, and
it held whatever the authority had no column for. On the fourth of March a collier came in with
her funnel painted half blue, because the paint had run out off Gibraltar and nobody aboard could
agree on what to buy instead. On the ninth there was fog, and a pilot who had worked the channel
for thirty years asked to be relieved, since he had begun to see the buoys before they were there.
In April the swallows returned to the customs shed and the clerk moved his desk so as not to
disturb them. None of this changed how ships are loaded. Still, when the old man retired, his
successor read the second book first, and found that he knew which berth flooded at spring tides,
which captain must never be kept waiting, and why the lamp on the north pier has to be lit by hand
when the wind is from the east.
)",
    R"(修钟的师傅每天早上先听，再看，最后才动手。他说一座钟出了毛病，声音总比指针先知道：走得急的，
多半是摆锤太轻；走得拖沓的，往往是油干了，灰尘混在里面。有一年冬天，镇上小学的钟忽然每到下午三点
就停，换了发条也没有用。师傅在教室里坐了两天，什么也没拆，只在本子上记下开窗、生炉子和放学的时间。
第三天他把钟从靠窗的墙上挪到了门边，从此再也没有停过。原来午后的太阳正好晒到钟壳，里面的铜片受热
变长，刚好卡住一个齿。后来有人问他，这算不算修好了。他想了想，回答说：机器本来没有坏，坏的是它待
的地方；人有时候也是这样。徒弟们把这句话写在工具箱的盖子里面，不过他们真正学到的，是在拧下第一颗
螺丝之前，先把问题看清楚，再决定要不要拧。
)",
    R"(#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

/// Merges intervals that touch or overlap; the result is sorted and has the same union.
struct Interval {
    int64_t begin, end;  // half open
};

std::vector<Interval> merge(std::vector<Interval> intervals) {
    std::sort(intervals.begin(), intervals.end(),
              [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
    std::vector<Interval> merged;
    for (const Interval& next : intervals) {
        if (next.begin >= next.end) continue;  // empty
        if (!merged.empty() && next.begin <= merged.back().end)
            merged.back().end = std::max(merged.back().end, next.end);
        else
            merged.push_back(next);
    }
    return merged;
}

def read_totals(path):
    """Sums the second column of a CSV file by the first."""
    totals = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            name, _, amount = line.rstrip("\n").partition(",")
            if not amount:
                raise ValueError(f"{path}:{number}: expected two columns, found one")
            totals[name] = totals.get(name, 0) + int(amount)
    return dict(sorted(totals.items(), key=lambda item: -item[1]))
)",
    R"(Question: A cyclist rides 18 km to a village at 24 km/h, rests for 20 minutes, and rides back
against the wind at 15 km/h. How long is she away, and what is her mean speed while riding?

Answer: The way there takes 18 / 24 = 0.75 h, which is 45 minutes. The way back takes 18 / 15 =
1.2 h, which is 72 minutes. With the rest she is away for 45 + 20 + 72 = 137 minutes, or 2 hours
and 17 minutes. While riding she covers 36 km in 1.95 h, so her mean speed is 36 / 1.95 = 18.5
km/h. Note that this is less than the mean of 24 and 15, because she spends more time at the lower
speed.

{"trip": {"distance_km": 36, "riding_minutes": 117, "resting_minutes": 20, "mean_speed_kmh": 18.5},
 "checks": [{"name": "total", "minutes": 137, "ok": true}, {"name": "speed", "ok": true}]}

In short:
- Add times, not speeds.
- Convert hours to minutes last.
- Say what a mean is taken over.
)"};

}  // namespace

std::span<const std::string_view> quality_texts() {
    return kTexts;
}

}  // namespace qwend
