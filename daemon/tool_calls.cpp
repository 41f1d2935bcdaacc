#include "daemon/tool_calls.h"

#include <fmt/core.h>
#include <simdjson.h>

#include <algorithm>
#include <random>

namespace qwend {

namespace {

namespace dom = simdjson::dom;

constexpr std::string_view kOpen = "<tool_call>";
constexpr std::string_view kClose = "</tool_call>";
constexpr std::string_view kSpace = " \t\r\n";
constexpr size_t kMaxDepth = 32;

std::string make_call_id() {
    static std::mt19937_64 random(std::random_device{}());
    return fmt::format("call_{:016x}", random());
}

/// {"name": "…", "arguments": {…}}; false if it is anything else.
bool parse_call(std::string_view json, ToolCall& call) {
    dom::parser parser;
    if (parser.allocate(std::max<size_t>(json.size(), 64), kMaxDepth)) return false;
    simdjson::padded_string padded(json);
    dom::object object, arguments;
    std::string_view name;
    if (parser.parse(padded).get(object) || object.at_key("name").get(name) || name.empty() ||
        object.at_key("arguments").get(arguments))
        return false;
    call = {make_call_id(), std::string(name), simdjson::minify(arguments)};
    return true;
}

/// Length of the tail that must wait: white space before a possible <tool_call>, and its beginning.
size_t held_length(std::string_view text) {
    size_t tail = 0;
    for (size_t n = std::min(text.size(), kOpen.size() - 1); n > 0 && tail == 0; n--)
        if (text.ends_with(kOpen.substr(0, n))) tail = n;
    const size_t end = text.size() - tail;
    const size_t last = text.substr(0, end).find_last_not_of(kSpace);
    return text.size() - (last == std::string_view::npos ? 0 : last + 1);
}

}  // namespace

void ToolCallParser::emit_text(std::vector<Piece>& pieces, std::string_view text) {
    if (!text.empty()) pieces.push_back({std::string(text), {}});
}

std::vector<ToolCallParser::Piece> ToolCallParser::push(std::string_view text) {
    std::vector<Piece> pieces;
    held_.append(text);
    for (;;) {
        const size_t open = held_.find(kOpen);
        if (open == std::string::npos) break;
        const size_t close = held_.find(kClose, open);
        const size_t last = std::string_view(held_).substr(0, open).find_last_not_of(kSpace);
        const size_t before = last == std::string::npos ? 0 : last + 1;
        emit_text(pieces, std::string_view(held_).substr(0, before));
        held_.erase(0, before);
        if (close == std::string::npos) return pieces;
        const size_t begin = open - before + kOpen.size(), end = close - before;
        ToolCall call;
        if (parse_call(std::string_view(held_).substr(begin, end - begin), call)) {
            pieces.push_back({{}, std::move(call)});
            n_calls_++;
        } else {
            emit_text(pieces, std::string_view(held_).substr(0, end + kClose.size()));
        }
        held_.erase(0, end + kClose.size());
    }
    const size_t settled = held_.size() - held_length(held_);
    emit_text(pieces, std::string_view(held_).substr(0, settled));
    held_.erase(0, settled);
    return pieces;
}

std::vector<ToolCallParser::Piece> ToolCallParser::finish() {
    std::vector<Piece> pieces;
    const bool only_space = held_.find_first_not_of(kSpace) == std::string::npos;
    if (!(only_space && n_calls_ > 0)) emit_text(pieces, held_);
    held_.clear();
    return pieces;
}

}  // namespace qwend
