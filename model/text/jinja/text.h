#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/text/jinja/workspace.h"

namespace qwend::jinja {

/// Bytes [begin, end) of a text.
struct Range {
    size_t begin, end;
};

/// A string and where it comes from. `ours` are the bytes that the template itself wrote,
/// ascending, disjoint and not adjacent; the others came with the variables. Only in the former can
/// a control token arise, whatever a message spells. Both live in a Workspace.
struct Text {
    std::string_view bytes;  // valid UTF-8
    std::span<const Range> ours;
    bool is_markup = false;  // went through `safe`: escapes what is added to it

    bool is_empty() const { return bytes.empty(); }
};

/// Puts a text together; each part keeps its origin.
class TextBuilder {
  public:
    explicit TextBuilder(Workspace& work) : work_(&work) {}

    void add(const Text& text) { add(text, 0, text.bytes.size()); }
    void add(const Text& text, size_t begin, size_t end);  // bytes
    void add_ours(std::string_view text) { add_bytes(text, true); }
    void add_data(std::string_view text) { add_bytes(text, false); }
    void add_bytes(std::string_view text, bool is_ours);

    size_t size() const { return bytes_.size(); }
    const std::string& bytes() const { return bytes_; }
    const std::vector<Range>& ours() const { return ours_; }
    Workspace& work() const { return *work_; }

    /// What was added, in the workspace.
    Text take();
    std::string take_bytes() { return std::move(bytes_); }

  private:
    void add_range(size_t begin, size_t end);

    Workspace* work_;
    std::string bytes_;
    std::vector<Range> ours_;
};

/// A part of a text; nothing is copied but ranges.
Text part_of(Workspace& work, const Text& text, size_t begin, size_t end);

/// Whether all of [begin, end) is the template's own.
bool is_ours(const Text& text, size_t begin, size_t end);

/// Where `wanted` begins in `bytes`, at or behind `from`; npos if nowhere. Takes linear time, which
/// std::string_view::find does not.
size_t find_bytes(std::string_view bytes, std::string_view wanted, size_t from = 0);
/// Where it begins last. Takes the product of both lengths at worst, and accounts for that.
size_t find_last_bytes(Workspace& work, std::string_view bytes, std::string_view wanted);

/// Code points in `bytes`, and the byte where the one of that number begins.
size_t count_chars(std::string_view bytes);
size_t byte_of_char(std::string_view bytes, size_t index);

}  // namespace qwend::jinja
