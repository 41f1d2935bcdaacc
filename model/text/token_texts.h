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

/// The bytes of a token: what it is in any case, and what comes behind that where another token
/// follows, or where none does.
struct TokenText {
    std::string_view settled, more, end;
};

/// The bytes of every id, decoded once. Ids that nothing has a token for are empty.
class TokenTexts {
  public:
    explicit TokenTexts(TokenDecoder decoder = {}) : decoder_(std::move(decoder)) {}

    /// The token of an id, in place of the one before, which a decoder makes a text of.
    void set(int32_t id, std::string_view token) { set(id, token, false); }
    /// The same of one that was added, which is not spelled in a vocabulary's alphabet.
    void set_added(int32_t id, std::string_view token) { set(id, token, true); }

    size_t size() const { return tokens_.size(); }
    /// A number that those tokens share which are the same where the decoder drops repeats; -1: no
    /// token has this id.
    int32_t kind(int32_t id) const { return is_within(id) ? tokens_[size_t(id)].kind : -1; }
    /// Whether the decoder leaves the token out wherever it is.
    bool is_dropped(int32_t id) const { return is_within(id) && tokens_[size_t(id)].is_dropped; }
    /// Within a text, where another follows.
    std::string_view of(int32_t id) const;
    /// Within a text, or where it is the first.
    TokenText text(int32_t id, bool is_first) const;
    /// As the vocabulary has it; only kept where the decoder needs all tokens.
    std::string_view spelling(int32_t id) const;

    const TokenDecoder& decoder() const { return decoder_; }

  private:
    struct Token {
        std::string text;
        int32_t kind = -1;
        bool is_dropped = false;
    };
    struct End {
        size_t n_settled = 0;
        std::string text = {};
    };
    using Ends = std::unordered_map<int32_t, End>;

    bool is_within(int32_t id) const { return id >= 0 && size_t(id) < tokens_.size(); }
    void set(int32_t id, std::string_view token, bool is_added);
    static void set_end(Ends& ends, int32_t id, std::string_view text, std::string_view last);

    TokenDecoder decoder_;
    std::vector<Token> tokens_;
    std::vector<std::string> spellings_;              // where they are kept
    std::unordered_map<std::string, int32_t> kinds_;  // where repeats are dropped
    std::unordered_map<int32_t, std::string> first_;  // where it is another
    Ends ends_, first_ends_;                          // where they are others
};

}  // namespace qwend
