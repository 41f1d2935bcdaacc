#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// A part of what a parser of calls found. Parts of one kind that follow each other are one.
struct ToolPiece {
    enum class Kind {
        text,
        call,       // a call begins; `text` is the function's name
        arguments,  // more of its arguments, as JSON
        call_end,   // it is complete; `text` is empty
        call_cut,   // the end came before; `text` is the whole call as it was generated
    };
    Kind kind;
    std::string text;
};

bool is_json_space(char c);
bool is_blank(std::string_view text);

/// Text on its way through a parser of calls: what has not been passed on yet, and how far the
/// parser has come in it. All positions are in `buffer`.
struct PieceText {
    enum class Tag { no, partly, yes };
    using Kind = ToolPiece::Kind;
    static constexpr size_t kMaxHeld = 1024;  // bytes from a tag until it must be clear what it is
    static constexpr size_t kMaxSpace = 256;  // bytes of white space that wait for a tag

    void open(std::string_view text, std::vector<ToolPiece>& pieces);
    /// Forgets what was passed on, and moves the positions, these besides its own, accordingly.
    void close(std::initializer_list<size_t*> positions);
    void clear();

    char next() const { return buffer[at]; }
    bool at_end() const { return at >= buffer.size(); }
    Tag tag_at(std::string_view tag) const;  // at the next byte
    std::string_view slice(size_t begin, size_t end) const {
        return std::string_view(buffer).substr(begin, end - begin);
    }
    /// Goes over a byte that is text; white space waits for what follows it.
    void skip_text();
    /// Goes on at `position`, as text that has not been looked at.
    void restart(size_t position) { at = emitted = solid_end = position; }

    void emit(Kind kind, std::string_view text);
    void emit_until(Kind kind, size_t end);

    std::string buffer;
    size_t at = 0;         // the next byte to look at
    size_t emitted = 0;    // passed on, or dropped
    size_t solid_end = 0;  // what is before may be passed on; then comes white space, or a tag
    std::vector<ToolPiece>* out = nullptr;  // of the push in progress
};

}  // namespace qwend
