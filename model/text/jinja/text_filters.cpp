#include <fmt/core.h>

#include <algorithm>

#include "model/text/jinja/builtins.h"
#include "model/text/jinja/characters.h"
#include "model/text/jinja/interpreter.h"
#include "model/text/jinja/print.h"
#include "model/utf8.h"

namespace qwend::jinja {

namespace {

Value upper(Call& call) {
    return make_string(call.work, change_case(call.work, call.text(0), Case::upper));
}

Value lower(Call& call) {
    return make_string(call.work, change_case(call.work, call.text(0), Case::lower));
}

Value capitalize(Call& call) {
    const Text text = call.text(0);
    TextBuilder out(call.work);
    const size_t first = byte_of_char(text.bytes, 1);
    add_changed(out, text, 0, first, Case::title);
    add_changed(out, text, first, text.bytes.size(), Case::lower);
    return make_string(call.work, out.take());
}

/// Jinja's, other than Python's: words begin behind white space, hyphens and opening brackets.
Value title(Call& call) {
    const Text text = call.text(0);
    TextBuilder out(call.work);
    bool begins = true;
    for (size_t at = 0; at < text.bytes.size();) {
        const auto c = utf8_at(text.bytes, at);
        const size_t end = at + size_t(c.length);
        const auto code = char32_t(c.code_point);
        const bool parts = code == '-' || code == '(' || code == '{' || code == '[' ||
                           code == '<' || is_space(code);
        add_changed(out, text, at, end, begins ? Case::upper : Case::lower);
        begins = parts;
        at = end;
    }
    return make_string(call.work, out.take());
}

Value trim(Call& call) {
    return strip_text(call, true, true);
}

Value replace(Call& call) {
    return replace_text(call.work, call.text(0), call.text(1), call.text(2), call.integer(3, -1));
}

Value join(Call& call) {
    std::vector<Value> items;
    for (const Value& item : walk(call.work, call[0])) items.push_back(item);
    if (call.has(2) && !call[2].is_none())
        for (Value& item : items) item = attribute_at(call, item, call[2], {});
    const Text separator = call.has(1) ? call.text(1) : Text{};
    return join_texts(call.work, items, separator);
}

/// Of the lines that are not empty each but the first is indented.
Value indent(Call& call) {
    std::string spaces;
    Text indention = call.has(1) && call[1].is_string() ? call[1].text() : Text{};
    if (!call.has(1) || !call[1].is_string()) {
        const auto width = size_t(std::max<int64_t>(call.integer(1, 4), 0));
        call.work.take(width);
        spaces.assign(width, ' ');
        indention.bytes = spaces;
    }
    const Text text = call.string(0);
    const bool indents_first = call.flag(2, false), indents_blank = call.flag(3, false);
    // Jinja appends a newline and splits; so a text that ends in one ends in an empty line.
    const std::string whole = std::string(text.bytes) + '\n';
    TextBuilder out(call.work);
    bool is_first = true;
    for (const Line& line : split_lines(whole)) {
        if (!is_first) out.add_ours("\n");
        const bool is_blank = line.begin == line.end;
        if (is_first ? indents_first : indents_blank || !is_blank) out.add(indention);
        out.add(text, line.begin, std::min(line.end, text.bytes.size()));
        is_first = false;
    }
    return make_string(call.work, out.take());
}

Value center(Call& call) {
    const Text text = call.text(0);
    const int64_t width = call.integer(1, 80), size = int64_t(count_chars(text.bytes));
    if (size >= width) return make_string(call.work, text);
    const int64_t space = width - size, left = space / 2 + (space & width & 1);
    call.work.take(size_t(space));
    TextBuilder out(call.work);
    out.add_ours(std::string(size_t(left), ' '));
    out.add(text);
    out.add_ours(std::string(size_t(space - left), ' '));
    return make_string(call.work, out.take());
}

Value truncate(Call& call) {
    const Text text = call.string(0);
    const int64_t length = call.integer(1, 255), leeway = call.integer(4, 5);
    const Text end = call.has(3) ? call.string(3) : make_ours(call.work, "...").text();
    const auto end_size = int64_t(count_chars(end.bytes));
    if (length < end_size || leeway < 0) throw Failure{"truncate: length or leeway is too small"};
    call.work.scan(text.bytes.size());
    if (int64_t(count_chars(text.bytes)) <= length + leeway) return call[0];
    size_t kept = byte_of_char(text.bytes, size_t(length - end_size));
    if (!call.flag(2, false)) kept = std::min(kept, text.bytes.substr(0, kept).rfind(' '));
    TextBuilder out(call.work);
    out.add(text, 0, kept);
    out.add(end);
    return make_string(call.work, out.take());
}

Value wordcount(Call& call) {
    const Text text = call.text(0);
    call.work.scan(text.bytes.size());
    int64_t n = 0;
    bool in_word = false;
    for (size_t at = 0; at < text.bytes.size();) {
        const auto c = utf8_at(text.bytes, at);
        const bool is_word = is_name_part(char32_t(c.code_point));
        n += is_word && !in_word ? 1 : 0;
        in_word = is_word;
        at += size_t(c.length);
    }
    return Value::integer(n);
}

/// format % (arguments), or % keywords.
Value format(Call& call) {
    Arguments& all = call.all;
    if (all.positional.empty()) throw Failure{"format() needs a value"};
    const Text text = text_of(call.work, all.positional[0]);
    if (all.positional.size() > 1 && !all.keywords.empty())
        throw Failure{"can't handle positional and keyword arguments at the same time"};
    std::vector<Member> members;
    for (const auto& [keyword, value] : all.keywords)
        members.push_back({make_ours(call.work, keyword), value});
    const Value values = members.empty() ? make_sequence(call.work, Type::tuple,
                                                         std::span(all.positional).subspan(1))
                                         : make_dict_value(call.work, std::move(members));
    return make_string(call.work, format_percent(call.work, text, values));
}

Value safe(Call& call) {
    Text text = call.text(0);
    text.is_markup = true;
    return make_string(call.work, text);
}

Value escape(Call& call) {
    return escape_html(call.work, call[0]);
}
Value to_string(Call& call) {
    return call[0].is_string() ? call[0] : make_string(call.work, call.text(0));
}

constexpr Builtin kFilters[] = {
    {"upper", "s", upper},
    {"lower", "s", lower},
    {"capitalize", "s", capitalize},
    {"title", "s", title},
    {"trim", "value chars?", trim},
    {"replace", "s old new count?", replace},
    {"join", "value d? attribute?", join},
    {"indent", "s width? first? blank?", indent},
    {"center", "value width?", center},
    {"truncate", "s length? killwords? end? leeway?", truncate},
    {"wordcount", "s", wordcount},
    {"format", "*", format},
    {"safe", "value", safe},
    {"escape", "_s", escape},
    {"e", "_s", escape},
    {"string", "_object", to_string},
};

}  // namespace

std::span<const Builtin> text_filters() {
    return kFilters;
}

Value strip_text(Call& call, bool left, bool right) {
    const Text text = call.text(0);
    std::string_view chars;
    Strip how{left, right, nullptr};
    if (call.has(1) && !call[1].is_none()) {
        chars = call.string(1).bytes;
        how.chars = &chars;
    }
    call.work.scan(text.bytes.size());
    const Range rest = strip(text.bytes, how);
    call.work.scan((text.bytes.size() - (rest.end - rest.begin)) * chars.size());
    return make_string(call.work, part_of(call.work, text, rest.begin, rest.end));
}

Value replace_text(Workspace& work, const Text& text, const Text& from, const Text& to,
                   int64_t most) {
    TextBuilder out(work);
    work.scan(text.bytes.size());
    size_t at = 0;
    for (size_t n = 0; most < 0 || n < size_t(most); n++) {
        work.step();
        const size_t found = find_bytes(text.bytes, from.bytes, at);
        if (found == std::string_view::npos) break;
        if (!from.bytes.empty()) {
            out.add(text, at, found);
            out.add(to);
            at = found + from.bytes.size();
            continue;
        }
        // Nothing is found before each character and at the end.
        out.add(to);
        if (at == text.bytes.size()) break;
        const size_t next = at + size_t(utf8_at(text.bytes, at).length);
        out.add(text, at, next);
        at = next;
    }
    out.add(text, at, text.bytes.size());
    return make_string(work, out.take());
}

Value join_texts(Workspace& work, std::span<const Value> items, const Text& separator) {
    TextBuilder out(work);
    for (size_t i = 0; i < items.size(); i++) {
        work.step();
        if (i > 0) out.add(separator);
        print(out, items[i]);
    }
    return make_string(work, out.take());
}

Value escape_html(Workspace& work, const Value& value) {
    constexpr std::string_view kSpecial = "&<>'\"";
    constexpr std::string_view kEscapes[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    if (value.is_string() && value.text().is_markup) return value;
    const Text text = text_of(work, value);
    TextBuilder out(work);
    size_t plain = 0;
    for (size_t at = 0; at < text.bytes.size(); at++) {
        const size_t i = kSpecial.find(text.bytes[at]);
        if (i == kSpecial.npos) continue;
        out.add(text, plain, at);
        out.add_data(kEscapes[i]);
        plain = at + 1;
    }
    out.add(text, plain, text.bytes.size());
    Text escaped = out.take();
    escaped.is_markup = true;
    return make_string(work, escaped);
}

}  // namespace qwend::jinja
