#include "model/grammar/code_points.h"

#include <algorithm>

namespace qwend::grammar {

namespace {

constexpr uint32_t kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF;

}  // namespace

void CodePointSet::add(uint32_t first, uint32_t last) {
    last = std::min(last, kMaxCodePoint);
    insert(first, std::min(last, kFirstSurrogate - 1));
    insert(std::max(first, kLastSurrogate + 1), last);
}

void CodePointSet::add(const CodePointSet& other) {
    for (const CodePointRange& range : other.ranges_) insert(range.first, range.last);
}

void CodePointSet::insert(uint32_t first, uint32_t last) {
    if (first > last) return;
    // Those from `at` on end behind `first` or touch it, and those from `past` on begin behind.
    auto at = std::lower_bound(
        ranges_.begin(), ranges_.end(), first,
        [](const CodePointRange& range, uint32_t value) { return range.last + 1 < value; });
    auto past = at;
    while (past != ranges_.end() && past->first <= last + 1) {
        first = std::min(first, past->first);
        last = std::max(last, past->last);
        past++;
    }
    at = ranges_.erase(at, past);
    ranges_.insert(at, {first, last});
}

CodePointSet CodePointSet::complement() const {
    CodePointSet out;
    uint32_t next = 0;
    for (const CodePointRange& range : ranges_) {
        if (range.first > next) out.add(next, range.first - 1);
        next = range.last + 1;
    }
    out.add(next, kMaxCodePoint);
    return out;
}

CodePointSet CodePointSet::intersection(const CodePointSet& other) const {
    CodePointSet out;
    auto a = ranges_.begin();
    auto b = other.ranges_.begin();
    while (a != ranges_.end() && b != other.ranges_.end()) {
        out.insert(std::max(a->first, b->first), std::min(a->last, b->last));
        if (a->last < b->last)
            a++;
        else
            b++;
    }
    return out;
}

bool CodePointSet::contains(uint32_t code_point) const {
    const auto at = std::lower_bound(
        ranges_.begin(), ranges_.end(), code_point,
        [](const CodePointRange& range, uint32_t value) { return range.last < value; });
    return at != ranges_.end() && at->first <= code_point;
}

}  // namespace qwend::grammar
