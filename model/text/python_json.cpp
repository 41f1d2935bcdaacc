#include "model/text/python_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

#include "model/json_document.h"
#include "model/json_escape.h"

namespace qwend {

namespace {

void append_string(std::string& out, std::string_view text) {
    out += '"';
    for (char c : text) {
        if (uint8_t(c) < 0x20 || c == '"' || c == '\\')
            append_json_escape(out, uint8_t(c));
        else
            out += c;
    }
    out += '"';
}

void append_number(std::string& out, const JsonValue& value) {
    const std::string_view text = value.raw();
    double number = 0;
    value.get(number);
    if (value.is_integer()) {
        out += text == "-0" ? "0" : text;
        return;
    }
    if (!std::isfinite(number)) {
        out += number < 0 ? "-Infinity" : "Infinity";
        return;
    }
    const std::string digits = fmt::format("{}", number);
    out += digits;
    if (digits.find_first_of(".e") == std::string::npos) out += ".0";
}

/// An object's members as a dict has them: of those with one key the last, in the place of the
/// first.
std::vector<JsonMember> dict_members(const JsonValue& object) {
    std::vector<JsonMember> members;
    for (JsonMember member : object.members()) members.push_back(std::move(member));
    std::vector<size_t> order(members.size());
    std::iota(order.begin(), order.end(), size_t(0));
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        const int by_key = members[a].key.compare(members[b].key);
        return by_key < 0 || (by_key == 0 && a < b);
    });
    std::vector<bool> replaced(members.size());
    for (size_t i = 0; i < order.size();) {
        const size_t first = order[i];
        size_t last = first;
        for (i++; i < order.size() && members[order[i]].key == members[first].key; i++)
            replaced[last = order[i]] = true;
        members[first].value = members[last].value;
    }
    size_t kept = 0;
    for (size_t i = 0; i < members.size(); i++)
        if (!replaced[i]) {
            if (kept != i) members[kept] = std::move(members[i]);
            kept++;
        }
    members.erase(members.begin() + std::ptrdiff_t(kept), members.end());
    return members;
}

/// As deep as JsonDocument allows.
void append_value(std::string& out, const JsonValue& value) {
    std::string text;
    if (value.is_object()) {
        const char* separator = "{";
        for (const auto& [key, member] : dict_members(value)) {
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
