#include "daemon/api/json_writer.h"

#include <fmt/format.h>

#include <cmath>

#include "model/json_escape.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";  // U+FFFD

}  // namespace

void append_json_escaped(std::string& out, std::string_view text) {
    size_t plain = 0;  // where the run of bytes begins that are copied as they are
    for (size_t at = 0; at < text.size();) {
        const uint8_t c = uint8_t(text[at]);
        size_t length = 1;
        if (c >= 0x80) {
            const DecodedChar decoded = utf8_at(text, at);
            length = size_t(decoded.length);
            if (decoded.valid) {
                at += length;
                continue;
            }
        } else if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) {
            at++;
            continue;
        }
        out.append(text, plain, at - plain);
        if (c < 0x80)
            append_json_escape(out, c);
        else
            out += kReplacement;
        plain = at += length;
    }
    out.append(text, plain);
}

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    append_json_escaped(out, text);
    out += '"';
}

void append_compact_json(std::string& out, std::string_view json) {
    bool in_string = false, escaped = false;
    for (char c : json) {
        if (!in_string && (c == ' ' || c == '\t' || c == '\r' || c == '\n')) continue;
        if (c == '"' && !escaped) in_string = !in_string;
        escaped = c == '\\' && !escaped;
        out += c;
    }
}

void JsonWriter::separate() {
    if (needs_comma_) out_ += ',';
    needs_comma_ = true;
}

JsonWriter& JsonWriter::open(char bracket) {
    separate();
    out_ += bracket;
    needs_comma_ = false;
    return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
    out_ += bracket;
    needs_comma_ = true;
    return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
    separate();
    append_json_string(out_, name);
    out_ += ':';
    needs_comma_ = false;
    return *this;
}

JsonWriter& JsonWriter::string(std::string_view value) {
    separate();
    append_json_string(out_, value);
    return *this;
}

JsonWriter& JsonWriter::integer(int64_t value) {
    return raw(fmt::to_string(value));
}

JsonWriter& JsonWriter::number(double value) {
    return raw(std::isfinite(value) ? fmt::format("{}", value) : "null");
}

JsonWriter& JsonWriter::raw(std::string_view json) {
    separate();
    out_ += json;
    return *this;
}

}  // namespace qwend
