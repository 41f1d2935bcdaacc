#include "model/text/token_texts.h"

#include <utility>

namespace qwend {

void TokenTexts::set(int32_t id, std::string_view token) {
    set_text(id, decoder_.decode(token, {}));
    if (decoder_.drops_repeats()) {
        Token& own = tokens_[size_t(id)];
        own.kind = kinds_.emplace(decoder_.compared(token), int32_t(kinds_.size())).first->second;
        own.is_dropped = decoder_.is_dropped(token);
    }
    if (!decoder_.knows_places()) return;
    const std::string_view text = of(id);
    if (std::string first = decoder_.decode(token, {.is_first = true}); first != text)
        first_[id] = std::move(first);
    const std::string last = decoder_.decode(token, {.is_last = true});
    if (last.size() < text.size() && text.starts_with(last))
        n_tail_[id] = text.size() - last.size();
}

void TokenTexts::set_added(int32_t id, std::string_view token) {
    // Where repeats are dropped, tokens that mean nothing are added ones, which have to be seen.
    decoder_.is_byte_level() && !decoder_.drops_repeats() ? set_text(id, std::string(token))
                                                          : set(id, token);
}

void TokenTexts::set_text(int32_t id, std::string text) {
    if (size_t(id) >= tokens_.size()) tokens_.resize(size_t(id) + 1);
    tokens_[size_t(id)] = {std::move(text), 0, false};
    first_.erase(id), n_tail_.erase(id);
}

std::string_view TokenTexts::of(int32_t id) const {
    return is_within(id) ? std::string_view(tokens_[size_t(id)].text) : std::string_view();
}

std::string_view TokenTexts::first(int32_t id) const {
    const auto found = first_.find(id);
    return found == first_.end() ? of(id) : std::string_view(found->second);
}

std::string_view TokenTexts::tail(int32_t id) const {
    if (n_tail_.empty()) return {};
    const auto found = n_tail_.find(id);
    return found == n_tail_.end() ? std::string_view()
                                  : of(id).substr(of(id).size() - found->second);
}

}  // namespace qwend
