#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/text/token_decoder.h"

namespace qwend {

/// The bytes of every id, decoded once. Ids that nothing has a token for are empty.
class TokenTexts {
  public:
    explicit TokenTexts(TokenDecoder decoder = {}) : decoder_(std::move(decoder)) {}

    /// The token of an id, in place of the one before, which a decoder makes a text of.
    void set(int32_t id, std::string_view token);
    /// The same of one that was added, which is not spelled in a vocabulary's alphabet.
    void set_added(int32_t id, std::string_view token);

    size_t size() const { return tokens_.size(); }
    /// A number that those tokens share which are the same where the decoder drops repeats; -1: no
    /// token has this id.
    int32_t kind(int32_t id) const { return is_within(id) ? tokens_[size_t(id)].kind : -1; }
    /// Whether the decoder leaves the token out wherever it is.
    bool is_dropped(int32_t id) const { return is_within(id) && tokens_[size_t(id)].is_dropped; }
    /// Within a text.
    std::string_view of(int32_t id) const;
    /// Where a text begins with it.
    std::string_view first(int32_t id) const;
    /// What it has at its end and would not have where a text ends with it.
    std::string_view tail(int32_t id) const;

    const TokenDecoder& decoder() const { return decoder_; }

  private:
    struct Token {
        std::string text;
        int32_t kind = -1;
        bool is_dropped = false;
    };
    bool is_within(int32_t id) const { return id >= 0 && size_t(id) < tokens_.size(); }
    void set_text(int32_t id, std::string text);

    TokenDecoder decoder_;
    std::vector<Token> tokens_;
    std::unordered_map<std::string, int32_t> kinds_;  // where repeats are dropped
    std::unordered_map<int32_t, std::string> first_;  // where it is another
    std::unordered_map<int32_t, size_t> n_tail_;      // bytes, where there are some
};

}  // namespace qwend
