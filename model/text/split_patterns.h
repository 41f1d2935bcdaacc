#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// What becomes of the matches of a pattern, as Hugging Face's tokenizers names it.
enum class SplitBehavior {
    isolated,              // each is a piece
    removed,               // none is a piece
    merged_with_previous,  // each ends the piece before it
    merged_with_next,      // each begins the piece behind it
    contiguous,            // those that follow each other are one piece
};

/// A pattern that takes text apart: into matches, and what is between two of them. Inverted, it is
/// the latter that count as matches.
struct SplitPattern {
    std::string regex;
    SplitBehavior behavior = SplitBehavior::isolated;
    bool is_inverted = false;

    bool operator==(const SplitPattern&) const = default;
};

/// Which pieces a mark is put before.
enum class Prepends { always, first, never };

/// Text [begin, end).
struct TextPiece {
    size_t begin, end;
};

/// A pre-tokenizer that is not the one published with Qwen2, for which pretokenizer.h is: each
/// step takes the pieces apart that the one before has left. Immutable once made; safe to use from
/// any thread.
class SplitPatterns {
  public:
    SplitPatterns();  // no step: text is a piece
    SplitPatterns(SplitPatterns&&) noexcept;
    SplitPatterns& operator=(SplitPatterns&&) noexcept;
    ~SplitPatterns();

    /// Throws LoadError, which names `source`, if it is no regex.
    void add(const SplitPattern& pattern, const std::string& source);
    /// A step that puts a space before each piece that begins with none.
    void add_space();
    /// A step that makes a piece of each of these words, the longest of those that begin at the
    /// same place. Linear in the text, whatever the words.
    void add_words(const std::vector<std::string>& words);
    /// A step that makes spaces marks ("▁") and puts one before each piece that `prepends` says and
    /// that begins with none.
    void add_marks(std::string mark, Prepends prepends);
    /// A step that takes text apart where the script of its characters changes; spaces and what has
    /// no script stay with what stands before them, and without it are taken out.
    void add_scripts();
    /// A step that spells bytes in GPT-2's alphabet.
    void add_byte_alphabet();

    /// The pieces, ascending and none of them empty, of `text`, which becomes what is in `storage`
    /// where it is rewritten. What is not UTF-8 is a piece that no pattern sees. `is_start`:
    /// nothing stands before it.
    std::vector<TextPiece> split(std::string_view& text, std::string& storage, bool is_start) const;

  private:
    /// Appends what becomes of a piece; `is_first`: nothing stands before it.
    using Rewrite = std::function<void(std::string_view piece, bool is_first, std::string& out)>;
    struct Step;
    void add_rewrite(Rewrite rewrite);

    std::vector<std::unique_ptr<Step>> steps_;
};

}  // namespace qwend
