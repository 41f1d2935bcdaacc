#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace qwend {

/// A regex of Oniguruma, with which Hugging Face's tokenizers matches theirs too. Immutable; safe
/// to use from any thread.
class Regex {
  public:
    /// Throws LoadError, which begins with `source`, if it is none.
    Regex(const std::string& pattern, const std::string& source);
    ~Regex();

    /// Calls found(begin, end) for every match from left to right, an empty one too but right
    /// behind another. `text` is valid UTF-8; nothing is matched in any other. Backtracking
    /// is linear in the text, whatever the regex: where it takes more than some hundred steps a
    /// byte, nothing is matched in the rest. What a regex does without it, in atomic groups, the
    /// library does not count.
    void find_all(std::string_view text,
                  const std::function<void(size_t begin, size_t end)>& found) const;
    /// Puts `content` for every match.
    void replace_all(std::string& text, std::string_view content) const;

  private:
    struct Compiled;
    std::unique_ptr<Compiled> compiled_;
};

/// A regex that matches `literal` and nothing else.
std::string quote_regex(std::string_view literal);

}  // namespace qwend
