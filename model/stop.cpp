#include "model/stop.h"

#include <algorithm>
#include <utility>

namespace qwend {

namespace {

/// Length of the longest suffix of `text` that is a proper prefix of `stop`.
size_t pending_length(std::string_view text, std::string_view stop) {
    for (size_t n = std::min(text.size(), stop.size() - 1); n > 0; n--)
        if (text.ends_with(stop.substr(0, n))) return n;
    return 0;
}

}  // namespace

StopMatcher::StopMatcher(std::vector<std::string> stops, bool include_stop_in_output)
    : stops_(std::move(stops)), include_stop_in_output_(include_stop_in_output) {
    std::erase(stops_, "");
}

StopMatcher::Result StopMatcher::push(std::string_view text, bool armed) {
    if (stops_.empty()) return {std::string(text), -1};
    const size_t n_before = held_.size();
    held_.append(text);
    size_t begin = std::string::npos;
    int matched = -1;
    for (size_t i = 0; armed && i < stops_.size(); i++) {
        // What fires ends in the new text.
        const size_t from = n_before - std::min(n_before, stops_[i].size() - 1);
        if (size_t at = held_.find(stops_[i], from); at < begin) begin = at, matched = int(i);
    }
    if (matched >= 0) {
        size_t keep = begin + (include_stop_in_output_ ? stops_[matched].size() : 0);
        Result result{held_.substr(0, keep), matched};
        held_.clear();
        return result;
    }
    size_t pending = 0;
    for (auto& stop : stops_) pending = std::max(pending, pending_length(held_, stop));
    Result result{held_.substr(0, held_.size() - pending), -1};
    held_.erase(0, held_.size() - pending);
    return result;
}

std::string StopMatcher::finish() {
    return std::exchange(held_, {});
}

}  // namespace qwend
