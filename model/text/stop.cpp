#include "model/text/stop.h"

#include <algorithm>
#include <utility>

namespace qwend {

StopMatcher::StopMatcher(std::vector<std::string> stops, bool include_stop_in_output)
    : matched_(stops.size()), include_stop_in_output_(include_stop_in_output) {
    std::vector<Stop> prepared;
    for (std::string& text : stops) {
        Stop stop{std::move(text), {}};
        stop.border.resize(stop.text.size() + 1);
        for (size_t n = 1; n < stop.text.size(); n++)
            stop.border[n + 1] = advance(stop, stop.border[n], stop.text[n]);
        prepared.push_back(std::move(stop));
    }
    stops_ = std::make_shared<const std::vector<Stop>>(std::move(prepared));
}

/// How much of `stop` the text ends with after `c`, if it ended with `matched` bytes of it before.
uint32_t StopMatcher::advance(const Stop& stop, uint32_t matched, char c) const {
    while (matched > 0 && stop.text[matched] != c) matched = stop.border[matched];
    return matched + (stop.text[matched] == c ? 1 : 0);
}

StopMatcher::Result StopMatcher::push(std::string_view text, bool armed) {
    if (matched_.empty()) return {std::string(text), -1};
    uint32_t pending = 0;
    for (size_t at = 0; at < text.size(); at++) {
        int found = -1;
        pending = 0;
        for (size_t i = 0; i < matched_.size(); i++) {
            const Stop& stop = (*stops_)[i];
            if (stop.text.empty()) continue;
            matched_[i] = advance(stop, matched_[i], text[at]);
            if (!armed && matched_[i] == stop.text.size())
                matched_[i] = stop.border[stop.text.size()];
            pending = std::max(pending, matched_[i]);
            if (matched_[i] == stop.text.size() &&
                (found < 0 || stop.text.size() > (*stops_)[size_t(found)].text.size()))
                found = int(i);
        }
        if (found < 0) continue;
        held_.append(text.substr(0, at + 1));
        if (!include_stop_in_output_)
            held_.resize(held_.size() - (*stops_)[size_t(found)].text.size());
        std::fill(matched_.begin(), matched_.end(), 0u);
        return {std::exchange(held_, {}), found};
    }
    if (text.empty()) return {};
    held_.append(text);
    Result result{held_.substr(0, held_.size() - pending), -1};
    held_.erase(0, held_.size() - pending);
    return result;
}

std::string StopMatcher::finish() {
    return std::exchange(held_, {});
}

}  // namespace qwend
