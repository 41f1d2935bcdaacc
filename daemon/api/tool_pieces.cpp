#include "daemon/api/tool_pieces.h"

#include <algorithm>

namespace qwend {

bool is_json_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_blank(std::string_view text) {
    return std::all_of(text.begin(), text.end(), is_json_space);
}

void PieceText::open(std::string_view text, std::vector<ToolPiece>& pieces) {
    out = &pieces;
    buffer.append(text);
}

void PieceText::close(std::initializer_list<size_t*> positions) {
    buffer.erase(0, emitted);
    for (size_t* position : {&at, &solid_end}) *position -= std::min(*position, emitted);
    for (size_t* position : positions) *position -= std::min(*position, emitted);
    emitted = 0;
}

void PieceText::clear() {
    buffer.clear();
    at = emitted = solid_end = 0;
}

PieceText::Tag PieceText::tag_at(std::string_view tag) const {
    const std::string_view found = std::string_view(buffer).substr(at, tag.size());
    if (found == tag) return Tag::yes;
    return tag.starts_with(found) ? Tag::partly : Tag::no;
}

void PieceText::skip_text() {
    const char c = buffer[at++];
    if (!is_json_space(c) || at - solid_end > kMaxSpace) solid_end = at;
}

void PieceText::emit(Kind kind, std::string_view text) {
    const bool joins = kind == Kind::text || kind == Kind::arguments;
    if (!joins || out->empty() || out->back().kind != kind) out->push_back({kind, {}});
    out->back().text += text;
}

void PieceText::emit_until(Kind kind, size_t end) {
    if (end <= emitted) return;
    emit(kind, slice(emitted, end));
    emitted = end;
}

}  // namespace qwend
