#pragma once

#include <cstdint>
#include <vector>

namespace qwend::grammar {

inline constexpr uint32_t kMaxCodePoint = 0x10FFFF;

/// From the first to the last, both included.
struct CodePointRange {
    uint32_t first = 0, last = 0;

    bool operator==(const CodePointRange&) const = default;
};

/// A set of Unicode scalar values, which are the code points that UTF-8 can write: all but the
/// surrogates, which are never in it, whatever is added.
class CodePointSet {
  public:
    CodePointSet() = default;
    explicit CodePointSet(uint32_t code_point) { add(code_point, code_point); }
    CodePointSet(uint32_t first, uint32_t last) { add(first, last); }
    static CodePointSet all() { return CodePointSet(0, kMaxCodePoint); }

    /// Nothing is added where `first` is above `last`.
    void add(uint32_t first, uint32_t last);
    void add(const CodePointSet& other);

    CodePointSet complement() const;
    CodePointSet intersection(const CodePointSet& other) const;
    bool contains(uint32_t code_point) const;
    bool empty() const { return ranges_.empty(); }
    /// Ascending; none touches the next, but across the surrogates.
    const std::vector<CodePointRange>& ranges() const { return ranges_; }

    bool operator==(const CodePointSet&) const = default;

  private:
    void insert(uint32_t first, uint32_t last);

    std::vector<CodePointRange> ranges_;
};

}  // namespace qwend::grammar
