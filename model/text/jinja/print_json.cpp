#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "model/json_escape.h"
#include "model/text/jinja/compare.h"
#include "model/text/jinja/print.h"
#include "model/utf8.h"

namespace qwend::jinja {

namespace {

void add_utf16_escape(std::string& out, uint32_t c) {
    if (c < 0x10000) {
        out += fmt::format("\\u{:04x}", c);
        return;
    }
    c -= 0x10000;
    out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (c >> 10), 0xDC00 + (c & 0x3FF));
}

struct JsonPrinter {
    TextBuilder& out;
    const JsonStyle& style;
    size_t depth = 0;

    void value(const Value& value);
    void string(const Text& text);
    void key(const Value& key);
    void line();
    template <typename Items, typename Each>
    void items(const char* open, const char* close, const Items& items, const Each& each);
};

void JsonPrinter::string(const Text& text) {
    out.add_data("\"");
    size_t plain = 0;  // where what stands for itself begins
    for (size_t at = 0; at < text.bytes.size();) {
        const uint8_t byte = uint8_t(text.bytes[at]);
        if (byte >= 0x20 && byte != '"' && byte != '\\' && (byte < 0x80 || !style.escapes_all)) {
            at++;
            continue;
        }
        out.add(text, plain, at);
        std::string escape;
        if (byte < 0x80) {
            append_json_escape(escape, byte);
            at++;
        } else {
            const auto c = utf8_at(text.bytes, at);
            add_utf16_escape(escape, uint32_t(c.code_point));
            at += size_t(c.length);
        }
        out.add_data(escape);
        plain = at;
    }
    out.add(text, plain, text.bytes.size());
    out.add_data("\"");
}

void JsonPrinter::line() {
    if (!style.is_indented) return;
    out.add_data("\n");
    for (size_t i = 0; i < depth; i++) out.add_data(style.indent);
}

template <typename Items, typename Each>
void JsonPrinter::items(const char* open, const char* close, const Items& items, const Each& each) {
    out.add_data(open);
    if (!items.empty()) {
        depth++;
        for (size_t i = 0; i < items.size(); i++) {
            if (i > 0) out.add_data(style.item_separator);
            line();
            each(items[i]);
        }
        depth--;
        line();
    }
    out.add_data(close);
}

void JsonPrinter::key(const Value& key) {
    if (key.is_string()) return string(key.text());
    if (!key.is_number() && !key.is_none())
        throw Failure{
            fmt::format("keys must be str, int, float, bool or None, not {}", type_name(key))};
    out.add_data("\"");
    value(key);
    out.add_data("\"");
}

void JsonPrinter::value(const Value& value) {
    Workspace& work = out.work();
    const Workspace::Level level(work);
    work.step();
    switch (value.type()) {
        case Type::none:
            return out.add_data("null");
        case Type::boolean:
            return out.add_data(value.as_integer() != 0 ? "true" : "false");
        case Type::integer:
        case Type::big_integer:
            return print(out, value);
        case Type::real:
            if (std::isfinite(value.as_real())) return print(out, value);
            return out.add_data(std::isnan(value.as_real()) ? "NaN"
                                : value.as_real() < 0       ? "-Infinity"
                                                            : "Infinity");
        case Type::string:
            return string(value.text());
        case Type::list:
        case Type::tuple:
            return items("[", "]", value.items(), [&](const Value& item) { this->value(item); });
        case Type::dict: {
            const auto members = value.get<Dict>().members;
            std::vector<Member> sorted(members.begin(), members.end());
            if (style.sorts_keys)
                std::stable_sort(sorted.begin(), sorted.end(), [&](const auto& a, const auto& b) {
                    return is_less(work, a.key, b.key);
                });
            return items("{", "}", sorted, [&](const Member& member) {
                key(member.key);
                out.add_data(style.key_separator);
                this->value(member.value);
            });
        }
        default:
            throw Failure{
                fmt::format("Object of type {} is not JSON serializable", type_name(value))};
    }
}

}  // namespace

void print_json(TextBuilder& out, const Value& value, const JsonStyle& style) {
    JsonPrinter{out, style}.value(value);
}

}  // namespace qwend::jinja
