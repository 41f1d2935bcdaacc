#include "model/json_document.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "model/utf8.h"

namespace qwend {

/// Walks a document; every function leaves `at` behind what it accepted, or at the offence.
struct JsonParser {
    using Node = JsonDocument::Node;
    using Type = JsonDocument::Type;

    std::string_view text;
    std::vector<Node>& nodes;
    size_t max_depth;
    size_t at = 0;
    JsonFault::Kind fault = JsonFault::syntax;
    bool escaped = false;  // the string just read has a backslash

    char peek() const { return at < text.size() ? text[at] : '\0'; }
    void skip_space() {
        while (at < text.size() &&
               (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n'))
            at++;
    }
    bool digits() {
        const size_t begin = at;
        while (peek() >= '0' && peek() <= '9') at++;
        return at > begin;
    }
    bool literal(std::string_view word) {
        for (char c : word) {
            if (peek() != c) return false;
            at++;
        }
        return true;
    }
    bool number() {
        if (peek() == '-') at++;
        if (peek() == '0')
            at++;
        else if (!digits())
            return false;
        if (peek() == '.' && (at++, !digits())) return false;
        if (peek() == 'e' || peek() == 'E') {
            at++;
            if (peek() == '+' || peek() == '-') at++;
            return digits();
        }
        return true;
    }
    bool escape() {
        escaped = true;
        at++;
        const char c = peek();
        if (std::string_view("\"\\/bfnrt").find(c) != std::string::npos && c) return at++, true;
        if (c != 'u') return false;
        at++;
        for (int i = 0; i < 4; i++, at++)
            if (!std::isxdigit(uint8_t(peek()))) return false;
        return true;
    }
    bool string() {
        escaped = false;
        for (at++; at < text.size();) {
            const uint8_t c = uint8_t(text[at]);
            if (c == '"') return at++, true;
            if (c == '\\') {
                if (!escape()) return false;
            } else if (c < 0x20) {
                return false;
            } else if (c < 0x80) {
                at++;
            } else {
                const DecodedChar decoded = utf8_at(text, at);
                if (!decoded.valid) return fault = JsonFault::encoding, false;
                at += size_t(decoded.length);
            }
        }
        return false;
    }
    void add(Type type, size_t begin) {
        const uint32_t next = uint32_t(nodes.size()) + 1;
        nodes.push_back({uint32_t(begin), uint32_t(at), next, type, escaped});
    }
    bool scalar() {
        const size_t begin = at;
        Type type = Type::number;
        bool ok = false;
        switch (peek()) {
            case '"':
                type = Type::string;
                ok = string();
                break;
            case 't':
                type = Type::boolean;
                ok = literal("true");
                break;
            case 'f':
                type = Type::boolean;
                ok = literal("false");
                break;
            case 'n':
                type = Type::null;
                ok = literal("null");
                break;
            default:
                ok = number();
        }
        if (ok) add(type, begin);
        return ok;
    }
    /// A member's name and its colon.
    bool key() {
        const size_t begin = at;
        if (peek() != '"' || !string()) return false;
        add(Type::string, begin);
        skip_space();
        return peek() == ':' && (at++, true);
    }
    bool document();
};

/// Without recursion: `open` is the stack of containers that are not closed yet.
bool JsonParser::document() {
    std::vector<uint32_t> open;
    auto closing = [&] { return nodes[open.back()].type == Type::array ? ']' : '}'; };
    bool want_value = true;
    for (;;) {
        skip_space();
        if (want_value && (peek() == '[' || peek() == '{')) {
            if (open.size() == max_depth) return fault = JsonFault::depth, false;
            open.push_back(uint32_t(nodes.size()));
            escaped = false;
            add(peek() == '[' ? Type::array : Type::object, at);
            at++;
            skip_space();
            if (peek() == closing()) {
                want_value = false;
            } else if (closing() == '}' && !key()) {
                return false;
            }
        } else if (want_value) {
            if (!scalar()) return false;
            want_value = false;
        } else if (open.empty()) {
            return at == text.size();  // what follows a complete document offends
        } else if (peek() == ',') {
            at++;
            skip_space();
            if (closing() == '}' && !key()) return false;
            want_value = true;
        } else if (peek() == closing()) {
            at++;
            nodes[open.back()].end = uint32_t(at);
            nodes[open.back()].next = uint32_t(nodes.size());
            open.pop_back();
        } else {
            return false;
        }
    }
}

std::optional<JsonFault> JsonDocument::parse(std::string_view text, size_t max_depth) {
    text_ = text;
    nodes_.clear();
    if (text.size() >= UINT32_MAX) return JsonFault{JsonFault::size, 0};
    // Before every value and key but the first is one of these. Without growing, the most that a
    // text can make it take is half as much, and what is reserved and not used costs nothing.
    nodes_.reserve(1 + size_t(std::count_if(text.begin(), text.end(), [](char c) {
                       return c == ',' || c == ':' || c == '[' || c == '{';
                   })));
    JsonParser parser{text, nodes_, max_depth};
    if (parser.document()) return std::nullopt;
    return JsonFault{parser.fault, parser.at};
}

JsonValue JsonDocument::root() const {
    return {*this, 0};
}

/// From the outside in, at each level over the values before it.
std::string JsonDocument::path_of(uint32_t target) const {
    std::string path;
    uint32_t container = 0;
    while (container != target) {
        const bool array = nodes_[container].type == Type::array;
        uint32_t child = container + 1;
        for (size_t i = 0;; i++) {
            const uint32_t value = array ? child : child + 1;
            if (target >= child && target < nodes_[value].next) {
                std::string key;
                if (!array) JsonValue(*this, child).get(key);
                path += array ? fmt::format("[{}]", i) : (path.empty() ? "" : ".") + key;
                container = target == child ? target : value;
                break;
            }
            child = nodes_[value].next;
        }
    }
    return path;
}

/// Every object's keys are sorted by themselves: a value is looked at once, by what holds it.
std::string JsonDocument::find_duplicate() const {
    std::vector<std::pair<std::string, uint32_t>> keys;
    for (uint32_t i = 0; i < nodes_.size(); i++) {
        if (nodes_[i].type != Type::object) continue;
        keys.clear();
        for (uint32_t key = i + 1; key < nodes_[i].next; key = nodes_[key + 1].next) {
            keys.emplace_back(std::string(), key);
            JsonValue(*this, key).get(keys.back().first);
        }
        std::sort(keys.begin(), keys.end());
        const auto same = std::adjacent_find(keys.begin(), keys.end(),
                                             [](auto& a, auto& b) { return a.first == b.first; });
        if (same != keys.end()) return path_of((same + 1)->second);
    }
    return {};
}

namespace {

void append_utf8(std::string& out, uint32_t c) {
    if (c < 0x80) {
        out += char(c);
    } else if (c < 0x800) {
        out += char(0xC0 | c >> 6);
        out += char(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        out += char(0xE0 | c >> 12);
        out += char(0x80 | (c >> 6 & 0x3F));
        out += char(0x80 | (c & 0x3F));
    } else {
        out += char(0xF0 | c >> 18);
        out += char(0x80 | (c >> 12 & 0x3F));
        out += char(0x80 | (c >> 6 & 0x3F));
        out += char(0x80 | (c & 0x3F));
    }
}

/// The code unit of "\uXXXX" at `at`, or -1 if there is none.
int32_t unicode_escape(std::string_view text, size_t at) {
    uint32_t unit = 0;
    if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return -1;
    std::from_chars(text.data() + at + 2, text.data() + at + 6, unit, 16);
    return int32_t(unit);
}

/// Appends the character whose escape begins at `at`; returns what follows it.
size_t append_escaped(std::string& out, std::string_view text, size_t at) {
    constexpr std::string_view kShort = "bfnrt", kMeaning = "\b\f\n\r\t";
    const int32_t unit = unicode_escape(text, at);
    if (unit < 0) {
        const size_t found = kShort.find(text[at + 1]);
        out += found == std::string::npos ? text[at + 1] : kMeaning[found];
        return at + 2;
    }
    const int32_t low = unit >= 0xD800 && unit < 0xDC00 ? unicode_escape(text, at + 6) : -1;
    if (low >= 0xDC00 && low < 0xE000) {
        append_utf8(out, 0x10000u + (uint32_t(unit - 0xD800) << 10) + uint32_t(low - 0xDC00));
        return at + 12;
    }
    append_utf8(out, unit >= 0xD800 && unit < 0xE000 ? 0xFFFD : uint32_t(unit));
    return at + 6;
}

}  // namespace

bool JsonValue::get(bool& out) const {
    if (node().type != JsonDocument::Type::boolean) return false;
    out = raw() == "true";
    return true;
}

bool JsonValue::get(std::string& out) const {
    if (!is_string()) return false;
    const std::string_view text = raw().substr(1, raw().size() - 2);
    if (!node().escaped) return out = text, true;
    out.clear();
    out.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
        const size_t plain = std::min(text.find('\\', at), text.size());
        out.append(text.substr(at, plain - at));
        at = plain < text.size() ? append_escaped(out, text, plain) : plain;
    }
    return true;
}

bool JsonValue::is_integer() const {
    return is_number() && raw().find_first_of(".eE") == std::string_view::npos;
}

bool JsonValue::get(int64_t& out) const {
    if (!is_number()) return false;
    if (is_integer()) {
        int64_t n = 0;
        const auto [end, error] = std::from_chars(raw().data(), raw().data() + raw().size(), n);
        if (error != std::errc()) return false;
        return out = n, true;
    }
    double d = 0;
    constexpr double kExact = 1e15;  // below it a double says which integer was meant
    if (!get(d) || d != std::floor(d) || std::fabs(d) > kExact) return false;
    return out = int64_t(d), true;
}

bool JsonValue::get(double& out) const {
    if (!is_number()) return false;
    const auto [end, error] = std::from_chars(raw().data(), raw().data() + raw().size(), out);
    // Only strtod tells what is too large from what is too small.
    if (error == std::errc::result_out_of_range)
        out = std::strtod(std::string(raw()).c_str(), nullptr);
    return true;
}

JsonMembers JsonValue::members() const {
    return {document_, is_object() ? node_ + 1 : node().next, node().next};
}

JsonElements JsonValue::elements() const {
    return {document_, is_array() ? node_ + 1 : node().next, node().next};
}

std::optional<JsonValue> JsonValue::member(std::string_view name) const {
    for (const auto& [key, value] : members())
        if (key == name) return value;
    return std::nullopt;
}

}  // namespace qwend
