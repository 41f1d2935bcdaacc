#include "model/python_json.h"

#include <fmt/format.h>

#include <cmath>

#include "model/json_document.h"

namespace qwend {

namespace {

void append_string(std::string& out, std::string_view text) {
    out += '"';
    for (char c : text) {
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            case '\b':
                out += "\\b";
                break;
            case '\f':
                out += "\\f";
                break;
            default:
                if (uint8_t(c) < 0x20)
                    fmt::format_to(std::back_inserter(out), "\\u{:04x}", int(c));
                else
                    out += c;
        }
    }
    out += '"';
}

void append_number(std::string& out, const JsonValue& value) {
    const std::string_view text = value.raw();
    double number = 0;
    value.get(number);
    if (value.is_integer() || !std::isfinite(number)) {
        out += text == "-0" ? "0" : text;
        return;
    }
    const std::string digits = fmt::format("{}", number);
    out += digits;
    if (digits.find_first_of(".e") == std::string::npos) out += ".0";
}

/// As deep as JsonDocument allows.
void append_value(std::string& out, const JsonValue& value) {
    std::string text;
    if (value.is_object()) {
        const char* separator = "{";
        for (const auto& [key, member] : value.members()) {
            out += separator;
            append_string(out, key);
            out += ": ";
            append_value(out, member);
            separator = ", ";
        }
        out += *separator == '{' ? "{}" : "}";
    } else if (value.is_array()) {
        const char* separator = "[";
        for (const JsonValue element : value.elements()) {
            out += separator;
            append_value(out, element);
            separator = ", ";
        }
        out += *separator == '[' ? "[]" : "]";
    } else if (value.get(text)) {
        append_string(out, text);
    } else if (value.is_number()) {
        append_number(out, value);
    } else {
        out += value.raw();
    }
}

}  // namespace

bool append_python_json(std::string& out, std::string_view json) {
    JsonDocument document;
    if (document.parse(json)) return false;
    append_value(out, document.root());
    return true;
}

}  // namespace qwend
