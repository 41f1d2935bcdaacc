#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// Valid UTF-8 as it is, every maximal invalid part as U+FFFD, or each of its bytes.
std::string text_of_bytes(std::string_view bytes, bool is_by_byte);

/// What tokens are as text: the decoder of a tokenizer.json, step by step, for each token as it
/// comes, or for all of a text at once. Immutable once made; safe to use from any thread.
class TokenDecoder {
  public:
    /// Where a token is in the text.
    struct Place {
        bool is_first = false, is_last = false;
        bool is_added = false;  // and was put into the vocabulary as it is spelled
        bool goes_on = false;   // it is a whole text, but for a beginning which is not seen
    };

    void add_byte_level();     // a token of GPT-2's alphabet is its bytes, any other itself; joins
    void add_byte_fallback();  // a token <0xE4> is that byte
    void add_fuse();           // joins: what follows sees one token, which is all there is
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
    /// What has been added last needs all of a text: only decode_all() gives it, and `step` is
    /// named for why, unless one before was.
    void need_all(std::string step);

    /// Of the text as a whole, at its beginning: up to so many of a character are taken out.
    std::string stripped_character = {};
    size_t n_stripped = 0;
    /// Every byte that is part of no character becomes U+FFFD, not those of one together.
    bool replaces_bytes = false;

    /// Whether a vocabulary's tokens are spelled in GPT-2's alphabet where the text streams.
    bool is_byte_level() const { return is_byte_level_; }
    /// Whether the place of a token counts.
    bool knows_places() const { return knows_places_; }
    /// Whether one token has been made of all.
    bool has_joined() const { return n_before_join_.has_value(); }
    /// Whether a token is left out that is the same as the one before.
    bool drops_repeats() const { return ctc_.has_value(); }
    /// Whether there is no text before all tokens are known.
    bool needs_all() const { return !needs_all_.empty(); }
    /// The step that leaves tokens without a text of their own; empty: they have one.
    std::string_view textless_by() const {
        return needs_all() || !ctc_ ? std::string_view(needs_all_) : "CTC";
    }
    /// What tokens are the same by, where repeats are dropped.
    std::string compared(std::string_view token) const { return run(token, {}, *ctc_); }
    /// Whether a token is left out wherever it is, where repeats are dropped.
    bool is_dropped(std::string_view token) const { return run(token, {}, *ctc_ + 1).empty(); }
    /// The bytes of a token.
    std::string decode(std::string_view token, Place place) const {
        return run(token, place, n_before_join_.value_or(steps_.size()));
    }
    /// The text of all tokens, exactly as Hugging Face's has it, but that it goes on with another
    /// unless it `begins_text`. Linear in the text for each step, as far as Regex is.
    std::string decode_all(std::vector<std::string> tokens, bool begins_text) const;

  private:
    enum class Kind { each, byte_fallback, byte_level, fuse, ctc };
    struct Step {
        /// True: no other step sees the token, for it is bytes now or left out.
        std::function<bool(std::string& token, Place place)> each;
        Kind kind = Kind::each;
    };
    struct Whole;
    std::string run(std::string_view token, Place place, size_t n_steps) const;

    std::vector<Step> steps_;
    std::optional<size_t> ctc_;            // which of the steps drops repeats
    std::optional<size_t> n_before_join_;  // steps that a token by itself takes
    std::string needs_all_;
    bool knows_places_ = false, is_byte_level_ = false;
};

}  // namespace qwend
