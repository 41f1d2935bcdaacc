#include "model/text/token_texts.h"

#include <algorithm>
#include <utility>

namespace qwend {

void TokenTexts::set(int32_t id, std::string_view token, bool is_added) {
    const auto at = size_t(id);
    auto decode = [&](bool is_first, bool is_last) {
        return decoder_.decode(token,
                               {.is_first = is_first, .is_last = is_last, .is_added = is_added});
    };
    if (at >= tokens_.size()) tokens_.resize(at + 1);
    Token& own = tokens_[at] = {decode(false, false), 0, false};
    if (decoder_.needs_all()) {
        if (at >= spellings_.size()) spellings_.resize(at + 1);
        spellings_[at] = token;
        return;
    }
    if (decoder_.drops_repeats()) {
        own.kind = kinds_.emplace(decoder_.compared(token), int32_t(kinds_.size())).first->second;
        own.is_dropped = decoder_.is_dropped(token);
    }
    if (!decoder_.knows_places()) return;
    std::string first = decode(true, false);
    set_end(ends_, id, own.text, decode(false, true));
    set_end(first_ends_, id, first, decode(true, true));
    first_.erase(id);
    if (first != own.text) first_[id] = std::move(first);
}

void TokenTexts::set_end(Ends& ends, int32_t id, std::string_view text, std::string_view last) {
    ends.erase(id);
    if (last == text) return;
    const auto n = size_t(std::ranges::mismatch(text, last).in1 - text.begin());
    ends[id] = {n, std::string(last.substr(n))};
}

std::string_view TokenTexts::of(int32_t id) const {
    return is_within(id) ? std::string_view(tokens_[size_t(id)].text) : std::string_view();
}

TokenText TokenTexts::text(int32_t id, bool is_first) const {
    std::string_view text = of(id);
    if (is_first && !first_.empty())
        if (const auto found = first_.find(id); found != first_.end()) text = found->second;
    const Ends& ends = is_first ? first_ends_ : ends_;
    if (ends.empty()) return {text, {}, {}};
    const auto end = ends.find(id);
    if (end == ends.end()) return {text, {}, {}};
    const size_t n = end->second.n_settled;
    return {text.substr(0, n), text.substr(n), end->second.text};
}

std::string_view TokenTexts::spelling(int32_t id) const {
    return is_within(id) && size_t(id) < spellings_.size()
               ? std::string_view(spellings_[size_t(id)])
               : std::string_view();
}

}  // namespace qwend
