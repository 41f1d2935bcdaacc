#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// Whether a list of a configuration means a module; `maybe` where tools read it differently.
enum class Named { no, yes, maybe };

/// The lists that say which modules a scheme leaves alone or converts.
class ModuleNames {
  public:
    /// A name, or a part of a path ("self_attn", "layers.0"); behind "re:" a regular expression
    /// that matches from the beginning, as Python's re.match does.
    void add(std::string_view entry);
    bool empty() const { return names_.empty() && patterns_.empty(); }

    /// Takes time in proportion to the lists times the name, whatever is in them.
    Named find(std::string_view module) const;

  private:
    /// A regular expression of literals, classes of one kind and repetition. With anything else in
    /// it, it is not readable: nobody knows then what it means.
    struct Pattern {
        struct Item {
            enum { literal, any, digit } what;
            char character;
            bool optional, repeats;
        };
        std::vector<Item> items;
        bool to_end = false, readable = true;
    };
    static Pattern parse(std::string_view text);
    static bool matches(const Pattern& pattern, std::string_view text);

    std::vector<std::string> names_;
    std::vector<Pattern> patterns_;
};

}  // namespace qwend
