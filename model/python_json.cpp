#include "model/python_json.h"

#include <fmt/format.h>

namespace qwend {

namespace {

namespace dom = simdjson::dom;

constexpr size_t kMaxDepth = 32;

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

void append_double(std::string& out, double value) {
    std::string digits = fmt::format("{}", value);
    out += digits;
    if (digits.find_first_of(".en") == std::string::npos) out += ".0";
}

}  // namespace

void append_python_json(std::string& out, dom::element element) {
    switch (element.type()) {
        case dom::element_type::OBJECT: {
            const char* separator = "{";
            const dom::object object = element.get_object().value();
            for (auto [key, value] : object) {
                out += separator;
                append_string(out, key);
                out += ": ";
                append_python_json(out, value);
                separator = ", ";
            }
            out += *separator == '{' ? "{}" : "}";
            break;
        }
        case dom::element_type::ARRAY: {
            const char* separator = "[";
            const dom::array array = element.get_array().value();
            for (auto value : array) {
                out += separator;
                append_python_json(out, value);
                separator = ", ";
            }
            out += *separator == '[' ? "[]" : "]";
            break;
        }
        case dom::element_type::STRING:
            append_string(out, element.get_string().value());
            break;
        case dom::element_type::INT64:
            out += fmt::to_string(element.get_int64().value());
            break;
        case dom::element_type::UINT64:
            out += fmt::to_string(element.get_uint64().value());
            break;
        case dom::element_type::DOUBLE:
            append_double(out, element.get_double().value());
            break;
        case dom::element_type::BOOL:
            out += element.get_bool().value() ? "true" : "false";
            break;
        case dom::element_type::NULL_VALUE:
            out += "null";
            break;
    }
}

bool append_python_json(std::string& out, std::string_view json) {
    dom::parser parser;
    if (parser.allocate(std::max<size_t>(json.size(), 64), kMaxDepth)) return false;
    simdjson::padded_string padded(json);
    dom::element element;
    if (parser.parse(padded).get(element)) return false;
    append_python_json(out, element);
    return true;
}

}  // namespace qwend
