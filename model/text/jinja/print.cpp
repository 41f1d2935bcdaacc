#include "model/text/jinja/print.h"

#include <fmt/format.h>

#include <cmath>

#include "model/text/jinja/characters.h"
#include "model/utf8.h"

namespace qwend::jinja {

namespace {

void add_escape(TextBuilder& out, char32_t c) {
    const std::string_view named = c == '\n'   ? "\\n"
                                   : c == '\r' ? "\\r"
                                   : c == '\t' ? "\\t"
                                               : std::string_view();
    if (!named.empty())
        out.add_data(named);
    else if (c < 0x100)
        out.add_data(fmt::format("\\x{:02x}", uint32_t(c)));
    else if (c < 0x10000)
        out.add_data(fmt::format("\\u{:04x}", uint32_t(c)));
    else
        out.add_data(fmt::format("\\U{:08x}", uint32_t(c)));
}

void print_repr(TextBuilder& out, const Text& text) {
    const bool has_single = text.bytes.find('\'') != std::string_view::npos;
    const char quote = has_single && text.bytes.find('"') == std::string_view::npos ? '"' : '\'';
    out.add_data({&quote, 1});
    size_t plain = 0;  // where what stands for itself begins
    for (size_t at = 0; at < text.bytes.size();) {
        const auto c = utf8_at(text.bytes, at);
        const size_t end = at + size_t(c.length);
        if (c.code_point == quote || c.code_point == '\\') {
            out.add(text, plain, at);
            out.add_data("\\");
            plain = at;
        } else if (!is_printable(char32_t(c.code_point))) {
            out.add(text, plain, at);
            add_escape(out, char32_t(c.code_point));
            plain = end;
        }
        at = end;
    }
    out.add(text, plain, text.bytes.size());
    out.add_data({&quote, 1});
}

void print_items(TextBuilder& out, std::span<const Value> items) {
    for (size_t i = 0; i < items.size(); i++) {
        if (i > 0) out.add_data(", ");
        print_repr(out, items[i]);
    }
}

void print_dict(TextBuilder& out, std::span<const Member> members) {
    out.add_data("{");
    for (size_t i = 0; i < members.size(); i++) {
        if (i > 0) out.add_data(", ");
        print_repr(out, members[i].key);
        out.add_data(": ");
        print_repr(out, members[i].value);
    }
    out.add_data("}");
}

void print_sequence(TextBuilder& out, const Value& value) {
    const auto& sequence = value.get<Sequence>();
    switch (value.type()) {
        case Type::list:
            out.add_data("["), print_items(out, sequence.items), out.add_data("]");
            return;
        case Type::tuple:
            out.add_data("("), print_items(out, sequence.items);
            out.add_data(sequence.items.size() == 1 ? ",)" : ")");
            return;
        case Type::range:
            return out.add_data(sequence.name);
        default:
            out.add_data(sequence.name);
            out.add_data("(["), print_items(out, sequence.items), out.add_data("])");
    }
}

}  // namespace

std::string python_real(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    std::string digits = fmt::format("{}", value);
    if (digits.find_first_of(".e") == std::string::npos) digits += ".0";
    return digits;
}

void print_repr(TextBuilder& out, const Value& value) {
    const Workspace::Level level(out.work());
    out.work().step();
    if (value.is_undefined()) return out.add_data("Undefined");
    if (!value.is_string()) return print(out, value);
    if (!value.text().is_markup) return print_repr(out, value.text());
    out.add_data("Markup("), print_repr(out, value.text()), out.add_data(")");
}

/// Numbers, True, False and None are nobody's words: they can be a part of a control token, as an
/// image's number is, that a template spells.
void print(TextBuilder& out, const Value& value) {
    const Workspace::Level level(out.work());
    out.work().step();
    switch (value.type()) {
        case Type::missing:
        case Type::undefined:
            return;
        case Type::none:
            return out.add_ours("None");
        case Type::boolean:
            return out.add_ours(value.as_integer() != 0 ? "True" : "False");
        case Type::integer:
            return out.add_ours(fmt::format("{}", value.as_integer()));
        case Type::big_integer:
        case Type::string:
            return out.add(value.text());
        case Type::real:
            return out.add_ours(python_real(value.as_real()));
        case Type::list:
        case Type::tuple:
        case Type::range:
        case Type::view:
            return print_sequence(out, value);
        case Type::dict:
            return print_dict(out, value.get<Dict>().members);
        case Type::name_space:
            out.add_data("<Namespace ");
            print_dict(out, value.get<Namespace>().attributes);
            return out.add_data(">");
        default:
            return out.add_data(fmt::format("<{} object>", type_name(value)));
    }
}

Text text_of(Workspace& work, const Value& value) {
    if (value.is_string()) {
        Text text = value.text();
        text.is_markup = false;
        return text;
    }
    TextBuilder out(work);
    print(out, value);
    return out.take();
}

}  // namespace qwend::jinja
