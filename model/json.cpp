#include "model/json.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "model/utf8.h"

namespace qwend {

namespace {

constexpr size_t kMaxDepth = 64;
constexpr size_t kSafeDigits = 18;  // of an integer that surely fits 64 bits

bool is_number_char(char c) {
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/// The string literal at the start of `text`, with its quotes; all of it if it does not end.
std::string_view string_literal(std::string_view text) {
    for (size_t i = 1; i < text.size(); i++) {
        if (text[i] == '\\')
            i++;
        else if (text[i] == '"')
            return text.substr(0, i + 1);
    }
    return text;
}

}  // namespace

std::string standard_json(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        std::string_view piece = text.substr(0, 1);
        bool is_odd = false;
        for (std::string_view word : {"NaN", "Infinity", "-Infinity"})
            if (text.starts_with(word)) piece = word, is_odd = true;
        if (is_odd) {
            out.append("\"").append(piece).append("\"");
        } else if (text[0] == '"') {
            out += piece = string_literal(text);
        } else if (is_number_char(text[0])) {
            piece = text.substr(
                0,
                size_t(std::find_if_not(text.begin(), text.end(), is_number_char) - text.begin()));
            out += piece;
            if (piece.size() > kSafeDigits && piece.find_first_of(".eE") == piece.npos) out += ".0";
        } else {
            out += piece;
        }
        text.remove_prefix(piece.size());
    }
    return out;
}

JsonFile::JsonFile(const std::filesystem::path& path) : name_(path.string()) {
    parse(read_file(path));
}

JsonFile::JsonFile(std::string_view text, std::string name) : name_(std::move(name)) {
    parse(text);
}

void JsonFile::parse(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    auto parse_text = [&](std::string_view json) {
        if (auto error = parser_.allocate(std::max<size_t>(json.size(), 64), kMaxDepth))
            fail(simdjson::error_message(error));
        return parser_.parse(simdjson::padded_string(json));
    };
    auto result = parse_text(text);
    // Few files need it, so that the others are read once.
    if (result.error()) result = parse_text(standard_json(text));
    if (result.error()) fail(fmt::format("not valid JSON: {}", error_message(result.error())));
    if (result.get(root_) != simdjson::SUCCESS) fail("expected a JSON object at the top");
}

void JsonFile::fail(std::string_view what) const {
    constexpr size_t kMost = 1024;  // bytes: it may repeat a value, however long
    throw LoadError(fmt::format("{}: {}", name_, excerpt(what, kMost)));
}

std::optional<simdjson::dom::element> find_last(simdjson::dom::object object,
                                                std::string_view key) {
    std::optional<simdjson::dom::element> found;
    for (auto [name, value] : object)
        if (name == key) found = value;
    return found && found->is_null() ? std::nullopt : found;
}

std::optional<simdjson::dom::element> JsonFile::find(std::string_view field) const {
    return find_last(root_, field);
}

simdjson::dom::element JsonFile::get(std::string_view field) const {
    const auto element = find(field);
    if (!element) fail(fmt::format("expected the field \"{}\", found none", field));
    return *element;
}

int64_t JsonFile::integer(std::string_view field, int64_t low, int64_t high) const {
    const auto element = get(field);
    int64_t value = 0;
    if (element.get(value) != simdjson::SUCCESS)
        fail(
            fmt::format("\"{}\": expected an integer, found {}", field, simdjson::minify(element)));
    if (value < low || value > high)
        fail(fmt::format("\"{}\": expected {} to {}, found {}", field, low, high, value));
    return value;
}

double JsonFile::number(std::string_view field, double low, double high) const {
    const auto element = get(field);
    double value = 0;
    if (element.get(value) != simdjson::SUCCESS)
        fail(fmt::format("\"{}\": expected a number, found {}", field, simdjson::minify(element)));
    if (!(value >= low && value <= high))
        fail(fmt::format("\"{}\": expected {} to {}, found {}", field, low, high, value));
    return value;
}

bool JsonFile::boolean(std::string_view field, bool otherwise) const {
    const auto element = find(field);
    if (!element) return otherwise;
    bool value = false;
    if (element->get(value) != simdjson::SUCCESS)
        fail(fmt::format("\"{}\": expected true or false, found {}", field,
                         simdjson::minify(*element)));
    return value;
}

}  // namespace qwend
