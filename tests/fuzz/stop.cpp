// Stop strings, one a line before the first empty one, in the text that follows: cut at the same
// place in any pieces, and within a time per byte.

#include <cstdint>
#include <string>
#include <vector>

#include "model/text/stop.h"
#include "tests/fuzz/cost.h"

using namespace qwend;

namespace {

constexpr size_t kMaxStops = 16, kMaxStopBytes = 1024;  // what a request may have
constexpr size_t kMaxText = 1u << 20;                   // bytes of an answer

struct Cut {
    std::string text;
    int matched = -1;
    bool operator==(const Cut&) const = default;
};

Cut cut(StopMatcher matcher, std::string_view text, size_t piece) {
    Cut out;
    for (size_t at = 0; at < text.size() && out.matched < 0; at += piece) {
        auto result = matcher.push(text.substr(at, piece));
        out.text += result.text;
        out.matched = result.matched;
    }
    if (out.matched < 0) out.text += matcher.finish();
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view input(reinterpret_cast<const char*>(data), size);
    std::vector<std::string> stops;
    while (stops.size() < kMaxStops) {
        const std::string_view line = input.substr(0, input.find('\n'));
        input.remove_prefix(std::min(line.size() + 1, input.size()));
        if (line.empty()) break;
        // A stop string may be as long as is allowed only by repetition, too.
        std::string stop(line);
        while (line[0] == '*' && line.size() > 1 && stop.size() + line.size() - 1 < kMaxStopBytes)
            stop += line.substr(1);
        stops.push_back(stop.substr(0, kMaxStopBytes));
    }
    const StopMatcher matcher(stops, false);
    const std::string text = amplified(input, kMaxText);
    Cut whole;
    within_cost("stop", text.size(), [&] { whole = cut(matcher, text, text.size() + 1); });
    for (size_t piece : {1, 5}) {
        Cut other;
        within_cost("stop", text.size(), [&] { other = cut(matcher, text, piece); });
        if (other != whole) std::abort();
    }
    if (whole.matched < 0 && whole.text != text) std::abort();
    if (whole.matched >= 0 && text.substr(whole.text.size(), stops[size_t(whole.matched)].size()) !=
                                  stops[size_t(whole.matched)])
        std::abort();
    return 0;
}
