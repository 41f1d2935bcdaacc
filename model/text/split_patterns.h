#pragma once

#include <cstddef>
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

    /// The pieces, ascending and none of them empty, of `text`, which becomes what is in `storage`
    /// where spaces are added. What is not UTF-8 is a piece that no pattern sees.
    std::vector<TextPiece> split(std::string_view& text, std::string& storage) const;

  private:
    struct Step;
    std::vector<std::unique_ptr<Step>> steps_;
};

}  // namespace qwend
