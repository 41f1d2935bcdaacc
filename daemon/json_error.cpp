#include "daemon/json_error.h"

#include <cctype>
#include <string>

#include "model/utf8.h"

namespace qwend {

namespace {

/// Walks a document; every function leaves `at` behind what it accepted, or at the offence.
struct JsonWalker {
    std::string_view text;
    size_t at = 0;

    char peek() const { return at < text.size() ? text[at] : '\0'; }
    void skip_space() {
        while (at < text.size() && std::string_view(" \t\r\n").find(text[at]) != std::string::npos)
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
        for (at++; at < text.size();) {
            if (text[at] == '"') return at++, true;
            if (text[at] == '\\') {
                if (!escape()) return false;
                continue;
            }
            const DecodedChar c = utf8_at(text, at);
            if (!c.valid || c.code_point < 0x20) return false;
            at += size_t(c.length);
        }
        return false;
    }
    bool scalar() {
        switch (peek()) {
            case '"':
                return string();
            case 't':
                return literal("true");
            case 'f':
                return literal("false");
            case 'n':
                return literal("null");
            default:
                return number();
        }
    }
    /// A member's name and its colon.
    bool key() {
        if (peek() != '"' || !string()) return false;
        skip_space();
        return peek() == ':' && (at++, true);
    }
    void document();
};

/// Without recursion: `open` is the stack of brackets.
void JsonWalker::document() {
    std::string open;
    bool want_value = true;
    for (;;) {
        skip_space();
        if (want_value) {
            if (peek() == '[' || peek() == '{') {
                open += peek();
                at++;
                skip_space();
                const bool empty = peek() == (open.back() == '[' ? ']' : '}');
                if (!empty && open.back() == '[') continue;
                if (!empty && !key()) return;
                if (!empty) continue;
            } else if (!scalar()) {
                return;
            }
            want_value = false;
            continue;
        }
        if (open.empty()) return;  // what follows a complete document offends
        if (peek() == ',') {
            at++;
            skip_space();
            if (open.back() == '{' && !key()) return;
            want_value = true;
        } else if (peek() == (open.back() == '[' ? ']' : '}')) {
            at++;
            open.pop_back();
        } else {
            return;
        }
    }
}

}  // namespace

size_t json_error_offset(std::string_view text) {
    JsonWalker walker{text};
    walker.document();
    return walker.at;
}

}  // namespace qwend
