#include "daemon/api/parameter_value.h"

#include <algorithm>
#include <array>

#include "daemon/api/json_writer.h"
#include "daemon/api/tool_parameters.h"
#include "daemon/api/tool_pieces.h"

namespace qwend {

namespace {

/// The type of a value that begins with `c`; 0 if none does.
unsigned type_beginning(char c) {
    switch (c) {
        case '{':
            return kJsonObject;
        case '[':
            return kJsonArray;
        case 't':
        case 'f':
            return kJsonBoolean;
        case 'n':
            return kJsonNull;
        default:
            return c == '-' || (c >= '0' && c <= '9') ? unsigned(kJsonNumber) : 0;
    }
}

/// How templates print what Python calls True, False and None.
struct Word {
    std::string_view text, json;
    unsigned type;
};
constexpr std::array<Word, 3> kWords = {{{"True", "true", kJsonBoolean},
                                         {"False", "false", kJsonBoolean},
                                         {"None", "null", kJsonNull}}};

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_json_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_json_space(text.back())) text.remove_suffix(1);
    return text;
}

/// Bytes of a character may come one by one, and no byte of one that is longer needs an escape.
void append_string_byte(std::string& json, char c) {
    if (c == '"' || c == '\\' || uint8_t(c) < 0x20)
        append_json_escaped(json, {&c, 1});
    else
        json += c;
}

}  // namespace

ParameterValue::ParameterValue(unsigned json_types)
    : types_(json_types), may_be_word_(!(json_types & kJsonString)) {
    scanner_.push('[');
}

void ParameterValue::push(char c, std::string& json) {
    if (!is_string_ && types_ == kJsonString) begin_string(json);
    if (is_string_) return append_string_byte(json, c);
    kept_ += c;
    if (!may_be_other(c)) begin_string(json);
}

bool ParameterValue::may_be_other(char c) {
    if (is_json_) {
        if (!has_first_ && !is_json_space(c)) {
            has_first_ = true;
            is_json_ = (type_beginning(c) & types_) != 0;
        }
        // Outside of strings these two would go on with the array, or end it.
        const bool at_top = scanner_.depth() == 1 && !scanner_.in_string();
        if (at_top && (c == ',' || c == ']')) is_json_ = false;
        const bool in_string = scanner_.in_string();
        is_json_ = is_json_ && scanner_.push(c) != JsonScanner::Status::error;
        if (is_json_) append_json_byte(as_json_, c, in_string);
    }
    if (may_be_word_) {
        const std::string_view text = trimmed(kept_.size() < 64 ? kept_ : std::string_view("?"));
        may_be_word_ = std::any_of(kWords.begin(), kWords.end(), [&](const Word& word) {
            return (word.type & types_) && word.text.starts_with(text);
        });
    }
    return is_json_ || may_be_word_;
}

void ParameterValue::begin_string(std::string& json) {
    is_string_ = true;
    json += '"';
    for (char c : kept_) append_string_byte(json, c);
    kept_ = {}, as_json_ = {};
}

void ParameterValue::finish(std::string& json) {
    if (!is_string_ && has_first_) {
        if (is_json_ && scanner_.push(']') == JsonScanner::Status::done) {
            json += trimmed(as_json_);
            return;
        }
        for (const Word& word : kWords)
            if ((word.type & types_) && trimmed(kept_) == word.text) {
                json += word.json;
                return;
            }
    }
    if (!is_string_) begin_string(json);
    json += '"';
}

void ParameterValue::cut(std::string& json) {
    if (!is_string_) json += is_json_ ? as_json_ : kept_;
}

}  // namespace qwend
