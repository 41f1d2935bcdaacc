#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// Bytes [begin, end) of a rendered prompt that the template itself wrote, control tokens included.
struct ControlSpan {
    size_t begin;
    size_t end;
};

/// Qwen2's byte-level BPE, exact to Hugging Face's: NFC, the published pre-tokenizer regex, merges
/// by rank, added tokens; and any other model with the steps of a tokenizer.json around it, as
/// tokenizer_pipeline.h reads them, such as Llama's. Encoding and decoding are linear in the text,
/// whatever it is; with other regexes, as far as Regex says.
/// Immutable after load; safe to use from any thread.
class Tokenizer {
  public:
    /// Reads tokenizer.json, else vocab.json + merges.txt or tokenizer.model with
    /// tokenizer_config.json's added tokens. Added tokens from `n_rows` on are left out: a model
    /// that was not resized for them has no row of the embedding for them, and they stay text.
    /// Throws LoadError.
    static Tokenizer load(const std::filesystem::path& dir, int n_rows = INT32_MAX);
    /// The same from the text of a tokenizer.json; for the tests and the fuzzer.
    static Tokenizer parse(std::string_view tokenizer_json);

    Tokenizer(Tokenizer&&) noexcept;
    Tokenizer& operator=(Tokenizer&&) noexcept;
    ~Tokenizer();

    /// Text to ids; text that spells a control token stays text, while a word that was added to the
    /// vocabulary ("normalized" and not "special") is that word. `text` is valid UTF-8.
    std::vector<int32_t> encode(std::string_view text) const;
    /// The same, with the control tokens that stand within one of `spans` (ascending, disjoint) as
    /// their ids. Text between two of these is one run, exactly as Hugging Face sees it.
    std::vector<int32_t> encode(std::string_view text, std::span<const ControlSpan> spans) const;
    /// Text to ids where every spelled added token becomes one: Hugging Face's default, for
    /// /v1/completions and /tokenize prompts.
    std::vector<int32_t> encode_with_added_tokens(std::string_view text) const;
    /// Puts around the ids of a prompt what Hugging Face's add_special_tokens adds: the beginning
    /// of a text for DeepSeek's distilled Qwens, nothing for Qwen's own.
    void add_special_tokens(std::vector<int32_t>& ids) const;

    /// The bytes one id stands for; may be part of a UTF-8 sequence. Empty for unknown ids.
    std::string_view token_bytes(int32_t id) const;
    /// Ids to text; incomplete UTF-8 becomes U+FFFD, as Hugging Face's decoder does. A text that
    /// begins with them may lose the space that encoding has put before it.
    std::string decode(std::span<const int32_t> ids, bool skip_special_tokens,
                       bool begins_text = true) const;

    std::optional<int32_t> added_token_id(std::string_view token) const;
    bool is_special(int32_t id) const;  // added with "special": true
    bool is_added(int32_t id) const;    // one that text is searched for, and no part of its BPE
    /// The step of the decoder for which a text is other than its tokens' bytes together, as where
    /// a token is left out that is the same as the one before; empty: it is these.
    std::string_view textless_by() const;
    int n_left_out() const;  // added tokens without a row
    int size() const;        // ids 0 … size-1 exist; logits above are never sampled

  private:
    friend class StreamDecoder;
    struct Impl;
    explicit Tokenizer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// Turns a stream of ids into text without ever emitting part of a character: bytes that may still
/// become a valid sequence are held back, bytes that cannot become U+FFFD. Where the decoder needs
/// all tokens, all text comes at the end.
class StreamDecoder {
  public:
    /// The ids go on with a text, as an answer does with its prompt, unless the text begins with
    /// them.
    StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens, bool begins_text = false);
    std::string push(int32_t id);  // text that is complete now, often the whole token
    std::string finish();          // what is held back, an incomplete character as U+FFFD
    /// The same, without a character that the end cuts through: of an answer it is no text.
    std::string finish_cut();
    /// What finish() would give; nothing where all is held back.
    std::string held() const;

  private:
    std::string take(size_t n_bytes);
    std::string take_all();

    const Tokenizer* tokenizer_;
    bool skip_special_tokens_;
    bool is_first_;                          // the next token begins a text
    size_t n_to_strip_ = 0;                  // characters that its beginning may still lose
    int32_t last_kind_ = -1;                 // of the last token, where repeats are dropped
    std::string held_;                       // bytes
    std::string_view more_ = {}, end_ = {};  // of the last token: see TokenText
    std::vector<int32_t> all_;               // where the decoder needs all
};

}  // namespace qwend
