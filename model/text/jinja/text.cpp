#include "model/text/jinja/text.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace qwend::jinja {

namespace {

bool is_continuation(char c) {
    return (uint8_t(c) & 0xC0) == 0x80;
}

/// The first range that ends behind `at`.
std::span<const Range> ranges_from(std::span<const Range> ranges, size_t at) {
    const auto first = std::upper_bound(ranges.begin(), ranges.end(), at,
                                        [](size_t at, const Range& r) { return at < r.end; });
    return ranges.subspan(size_t(first - ranges.begin()));
}

}  // namespace

void TextBuilder::add_range(size_t begin, size_t end) {
    if (begin == end) return;
    if (!ours_.empty() && ours_.back().end == begin)
        ours_.back().end = end;
    else
        ours_.push_back({begin, end});
}

void TextBuilder::add_bytes(std::string_view text, bool is_ours) {
    work_->take(text.size());
    work_->scan(text.size());
    if (is_ours) add_range(bytes_.size(), bytes_.size() + text.size());
    bytes_.append(text);
}

void TextBuilder::add(const Text& text, size_t begin, size_t end) {
    const size_t base = bytes_.size();
    add_bytes(text.bytes.substr(begin, end - begin), false);
    for (const Range range : ranges_from(text.ours, begin)) {
        if (range.begin >= end) break;
        work_->step();
        add_range(base + std::max(range.begin, begin) - begin,
                  base + std::min(range.end, end) - begin);
    }
}

Text TextBuilder::take() {
    Text text{work_->copy(std::string_view(bytes_)), work_->copy(std::span<const Range>(ours_)),
              false};
    bytes_.clear();
    ours_.clear();
    return text;
}

Text part_of(Workspace& work, const Text& text, size_t begin, size_t end) {
    Text part{text.bytes.substr(begin, end - begin), {}, false};
    const auto from = ranges_from(text.ours, begin);
    size_t n = 0;
    while (n < from.size() && from[n].begin < end) n++;
    work.scan(n * sizeof(Range));
    const auto ours = work.copy(from.first(n));
    for (Range& range : ours)
        range = {std::max(range.begin, begin) - begin, std::min(range.end, end) - begin};
    part.ours = ours;
    if (begin == end) part.ours = {};
    return part;
}

bool is_ours(const Text& text, size_t begin, size_t end) {
    const auto from = ranges_from(text.ours, begin);
    return !from.empty() && from[0].begin <= begin && end <= from[0].end;
}

size_t find_bytes(std::string_view bytes, std::string_view wanted, size_t from) {
    if (from > bytes.size()) return std::string_view::npos;
    if (wanted.empty()) return from;
    const void* found =
        memmem(bytes.data() + from, bytes.size() - from, wanted.data(), wanted.size());
    return found == nullptr ? std::string_view::npos
                            : size_t(static_cast<const char*>(found) - bytes.data());
}

size_t find_last_bytes(Workspace& work, std::string_view bytes, std::string_view wanted) {
    if (wanted.size() > bytes.size()) return std::string_view::npos;
    work.scan(bytes.size() * std::min<size_t>(wanted.size(), 64));
    if (wanted.size() > 64) work.scan(bytes.size() * (wanted.size() / 64));
    return bytes.rfind(wanted);
}

size_t count_chars(std::string_view bytes) {
    return size_t(
        std::count_if(bytes.begin(), bytes.end(), [](char c) { return !is_continuation(c); }));
}

size_t byte_of_char(std::string_view bytes, size_t index) {
    size_t at = 0;
    for (; index > 0 && at < bytes.size(); index--) {
        at++;
        while (at < bytes.size() && is_continuation(bytes[at])) at++;
    }
    return at;
}

}  // namespace qwend::jinja
