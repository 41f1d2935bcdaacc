#include <fmt/core.h>

#include <algorithm>

#include "model/text/jinja/builtins.h"
#include "model/text/jinja/characters.h"
#include "model/text/jinja/interpreter.h"
#include "model/text/jinja/print.h"
#include "model/utf8.h"

namespace qwend::jinja {

namespace {

constexpr size_t kNowhere = std::string_view::npos;

Value make_part(Call& call, size_t begin, size_t end) {
    return make_string(call.work, part_of(call.work, call[0].text(), begin, end));
}

/// Where white space begins at or behind `at`, and where it ends.
Range next_space(std::string_view text, size_t at) {
    Range space{text.size(), text.size()};
    for (bool found = false; at < text.size();) {
        const auto c = utf8_at(text, at);
        const bool is_one = is_space(char32_t(c.code_point));
        if (is_one && !found) space.begin = at;
        found |= is_one;
        if (found && !is_one) {
            space.end = at;
            break;
        }
        at += size_t(c.length);
    }
    return space;
}

std::vector<Value> split_at_spaces(Call& call, int64_t most) {
    const std::string_view text = call[0].bytes();
    std::vector<Value> parts;
    size_t at = strip(text, {true, false, nullptr}).begin;
    while (at < text.size()) {
        if (most >= 0 && int64_t(parts.size()) == most) {
            parts.push_back(make_part(call, at, text.size()));
            break;
        }
        const Range space = next_space(text, at);
        parts.push_back(make_part(call, at, space.begin));
        at = space.end;
    }
    return parts;
}

std::vector<Value> split_at(Call& call, std::string_view separator, int64_t most) {
    const std::string_view text = call[0].bytes();
    std::vector<Value> parts;
    size_t at = 0;
    while (most < 0 || int64_t(parts.size()) < most) {
        const size_t found = find_bytes(text, separator, at);
        if (found == kNowhere) break;
        parts.push_back(make_part(call, at, found));
        at = found + separator.size();
    }
    parts.push_back(make_part(call, at, text.size()));
    return parts;
}

std::vector<Value> split_backward(Call& call, std::string_view separator, int64_t most) {
    const std::string_view text = call[0].bytes();
    std::vector<Value> parts;
    size_t end = text.size();
    while (most < 0 || int64_t(parts.size()) < most) {
        const size_t found = find_last_bytes(call.work, text.substr(0, end), separator);
        if (found == kNowhere) break;
        parts.push_back(make_part(call, found + separator.size(), end));
        end = found;
    }
    parts.push_back(make_part(call, 0, end));
    std::reverse(parts.begin(), parts.end());
    return parts;
}

std::vector<Value> split_backward_at_spaces(Call& call, int64_t most) {
    const std::string_view text = call[0].bytes();
    std::vector<Value> parts;
    size_t end = strip(text, {false, true, nullptr}).end;
    while (end > 0) {
        // The last word, which begins behind the last white space.
        size_t begin = end;
        while (begin > 0) {
            size_t before = begin - 1;
            while (before > 0 && (uint8_t(text[before]) & 0xC0) == 0x80) before--;
            if (is_space(char32_t(utf8_at(text, before).code_point))) break;
            begin = before;
        }
        if (most >= 0 && int64_t(parts.size()) == most) begin = 0;
        if (begin < end) parts.push_back(make_part(call, begin, end));
        if (most >= 0 && int64_t(parts.size()) > most) break;
        end = strip(text.substr(0, begin), {false, true, nullptr}).end;
    }
    std::reverse(parts.begin(), parts.end());
    return parts;
}

Value split(Call& call, bool is_backward) {
    const Text& text = call.string(0);
    const int64_t most = call.integer(2, -1);
    call.work.scan(text.bytes.size());
    std::vector<Value> parts;
    if (!call.has(1) || call[1].is_none()) {
        parts = is_backward ? split_backward_at_spaces(call, most) : split_at_spaces(call, most);
    } else {
        const std::string_view separator = call.string(1).bytes;
        if (separator.empty()) throw Failure{"empty separator"};
        parts =
            is_backward ? split_backward(call, separator, most) : split_at(call, separator, most);
    }
    return make_sequence(call.work, Type::list, parts);
}

Value split_forward(Call& call) {
    return split(call, false);
}
Value split_from_end(Call& call) {
    return split(call, true);
}

Value splitlines(Call& call) {
    const Text& text = call.string(0);
    const bool keeps_ends = call.flag(1, false);
    call.work.scan(text.bytes.size());
    std::vector<Value> lines;
    for (const Line& line : split_lines(text.bytes))
        lines.push_back(make_part(call, line.begin, keeps_ends ? line.next : line.end));
    return make_sequence(call.work, Type::list, lines);
}

Value partition(Call& call, bool is_backward) {
    const std::string_view text = call.string(0).bytes, separator = call.string(1).bytes;
    if (separator.empty()) throw Failure{"empty separator"};
    call.work.scan(text.size());
    const size_t found =
        is_backward ? find_last_bytes(call.work, text, separator) : find_bytes(text, separator);
    Value parts[] = {make_part(call, 0, 0), make_part(call, 0, 0), make_part(call, 0, 0)};
    if (found == kNowhere) {
        parts[is_backward ? 2 : 0] = call[0];
    } else {
        parts[0] = make_part(call, 0, found);
        parts[1] = make_part(call, found, found + separator.size());
        parts[2] = make_part(call, found + separator.size(), text.size());
    }
    return make_sequence(call.work, Type::tuple, parts);
}

Value partition_forward(Call& call) {
    return partition(call, false);
}
Value partition_backward(Call& call) {
    return partition(call, true);
}

/// The bytes from argument 2 to argument 3, which count characters.
Range search_range(Call& call) {
    const std::string_view text = call.string(0).bytes;
    call.work.scan(text.size());
    if (!call.has(2) && !call.has(3)) return {0, text.size()};
    const auto size = int64_t(count_chars(text));
    auto place = [&](int64_t index) {
        return std::clamp<int64_t>(index < 0 ? index + size : index, 0, size);
    };
    const int64_t wanted = call.integer(2, 0);
    if (wanted > size) return {text.size() + 1, text.size()};
    const int64_t begin = place(wanted), end = place(call.integer(3, size));
    return {byte_of_char(text, size_t(begin)), byte_of_char(text, size_t(end))};
}

/// Whether the text begins or ends with a string, or with one of a tuple of them.
Value has_end(Call& call, bool is_start) {
    const Range range = search_range(call);
    const Value only[] = {call[1]};
    const auto wanted = call[1].is(Type::tuple) ? call[1].items() : std::span<const Value>(only);
    for (const Value& one : wanted) {
        if (one.is_undefined()) fail_undefined(one);
        if (!one.is_string())
            throw Failure{
                fmt::format("first arg must be str or a tuple of str, not {}", type_name(one))};
        if (range.begin > range.end) continue;
        const auto text = call[0].bytes().substr(range.begin, range.end - range.begin);
        if (is_start ? text.starts_with(one.bytes()) : text.ends_with(one.bytes()))
            return Value::boolean(true);
    }
    return Value::boolean(false);
}

Value starts_with(Call& call) {
    return has_end(call, true);
}
Value ends_with(Call& call) {
    return has_end(call, false);
}

int64_t find_char(Call& call, bool is_backward) {
    const Range range = search_range(call);
    const std::string_view wanted = call.string(1).bytes;
    if (range.begin > range.end) return -1;
    const auto text = call[0].bytes().substr(range.begin, range.end - range.begin);
    const size_t found =
        is_backward ? find_last_bytes(call.work, text, wanted) : find_bytes(text, wanted);
    if (found == kNowhere) return -1;
    return int64_t(count_chars(call[0].bytes().substr(0, range.begin + found)));
}

Value find(Call& call) {
    return Value::integer(find_char(call, false));
}
Value find_backward(Call& call) {
    return Value::integer(find_char(call, true));
}

Value index(Call& call) {
    const int64_t found = find_char(call, false);
    if (found < 0) throw Failure{"substring not found"};
    return Value::integer(found);
}

Value index_backward(Call& call) {
    const int64_t found = find_char(call, true);
    if (found < 0) throw Failure{"substring not found"};
    return Value::integer(found);
}

Value count(Call& call) {
    const Range range = search_range(call);
    const std::string_view wanted = call.string(1).bytes;
    if (range.begin > range.end) return Value::integer(0);
    const auto text = call[0].bytes().substr(range.begin, range.end - range.begin);
    if (wanted.empty()) return Value::integer(int64_t(count_chars(text)) + 1);
    int64_t n = 0;
    for (size_t at = 0; (at = find_bytes(text, wanted, at)) != kNowhere; at += wanted.size()) n++;
    return Value::integer(n);
}

constexpr Builtin kMethods[] = {
    {"split", "_self sep? maxsplit?", split_forward},
    {"rsplit", "_self sep? maxsplit?", split_from_end},
    {"splitlines", "_self keepends?", splitlines},
    {"partition", "_self _sep", partition_forward},
    {"rpartition", "_self _sep", partition_backward},
    {"startswith", "_self _prefix _start? _end?", starts_with},
    {"endswith", "_self _suffix _start? _end?", ends_with},
    {"find", "_self _sub _start? _end?", find},
    {"rfind", "_self _sub _start? _end?", find_backward},
    {"index", "_self _sub _start? _end?", index},
    {"rindex", "_self _sub _start? _end?", index_backward},
    {"count", "_self _sub _start? _end?", count},
};

}  // namespace

std::span<const Builtin> search_methods() {
    return kMethods;
}

}  // namespace qwend::jinja
