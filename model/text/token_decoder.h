#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// What tokens are as text: the decoder of a tokenizer.json, step by step for each token, and then
/// what is done to the text that they make. Immutable once made; safe to use from any thread.
class TokenDecoder {
  public:
    /// Where a token is in the text.
    struct Place {
        bool is_first = false, is_last = false;
    };

    void add_byte_level();     // a token of GPT-2's alphabet is its bytes, any other itself
    void add_byte_fallback();  // a token <0xE4> is that byte
    void add_replace(const std::string& regex, std::string content, const std::string& source);
    void add_strip(std::string content, size_t n_start, size_t n_stop);  // of each token
    /// Its mark is a space, but nothing in the first token, which `prepends` says was given one.
    void add_metaspace(std::string mark, bool prepends);
    /// A space before each token but the first and those that begin with the prefix, which goes;
    /// `cleans_up`: and none before punctuation.
    void add_word_piece(std::string prefix, bool cleans_up);
    /// A suffix is a space, but nothing in the last token.
    void add_word_end(std::string suffix);
    /// Of a row of tokens that are the same one is left, pads are nothing, and so is a token of
    /// nothing else; `cleans_up`: as word pieces, and a delimiter is a space.
    void add_ctc(std::string pad, std::string delimiter, bool cleans_up);
    void add_spaces();  // between tokens: what is done where there is no decoder

    /// Of the text as a whole, at its beginning: up to so many of a character are taken out.
    std::string stripped_character = {};
    size_t n_stripped = 0;
    /// Every byte that is part of no character becomes U+FFFD, not those of one together.
    bool replaces_bytes = false;

    /// Whether tokens are spelled in GPT-2's alphabet.
    bool is_byte_level() const { return is_byte_level_; }
    /// Whether the place of a token counts.
    bool knows_places() const { return knows_places_; }
    /// Whether a token is left out that is the same as the one before.
    bool drops_repeats() const { return ctc_.has_value(); }
    /// What tokens are the same by, where repeats are dropped.
    std::string compared(std::string_view token) const { return run(token, {}, *ctc_); }
    /// Whether a token is left out wherever it is, where repeats are dropped.
    bool is_dropped(std::string_view token) const { return run(token, {}, *ctc_ + 1).empty(); }
    /// The bytes of a token.
    std::string decode(std::string_view token, Place place) const {
        return run(token, place, steps_.size());
    }

  private:
    /// True: no other step sees the token, for it is bytes now or left out.
    using Step = std::function<bool(std::string& token, Place place)>;
    std::string run(std::string_view token, Place place, size_t n_steps) const;

    std::vector<Step> steps_;
    std::optional<size_t> ctc_;  // which of the steps drops repeats
    bool knows_places_ = false, is_byte_level_ = false;
};

}  // namespace qwend
