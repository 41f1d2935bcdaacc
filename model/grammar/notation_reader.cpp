#include "model/grammar/notation_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "model/grammar/syntax_parts.h"
#include "model/utf8.h"

namespace qwend::grammar {

bool NotationReader::take(std::string_view what) {
    if (!rest().starts_with(what)) return false;
    at_ += what.size();
    return true;
}

void NotationReader::skip_line() {
    at_ = std::min(text_.find('\n', at_), text_.size());
}

bool NotationReader::begins_line(size_t at) const {
    while (at > 0 && (text_[at - 1] == ' ' || text_[at - 1] == '\t' || text_[at - 1] == '\r')) at--;
    return at == 0 || text_[at - 1] == '\n';
}

uint32_t NotationReader::take_code_point() {
    const DecodedChar c = utf8_at(text_, at_);
    if (!c.valid || c.length == 0) fail("this is not UTF-8");
    at_ += size_t(c.length);
    return uint32_t(c.code_point);
}

uint32_t NotationReader::take_hex_digits(int n) {
    uint32_t value = 0;
    for (int i = 0; i < n; i++) {
        const char c = peek();
        const int digit = is_digit(c)            ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0)
            fail(
                fmt::format("expected {} hexadecimal digits, found {} and then {}", n, i, found()));
        value = value << 4 | uint32_t(digit);
        at_++;
    }
    if (value > kMaxCodePoint) fail(fmt::format("U+{:X} is no code point", value));
    return value;
}

uint32_t NotationReader::take_count() {
    if (!at_digit()) fail("expected a number of repeats, found " + found());
    const size_t begin = at_;
    uint32_t value = 0;
    for (; at_digit(); at_++) {
        value = value * 10 + uint32_t(peek() - '0');
        if (value > kMaxRepeat)
            fail_at(begin, fmt::format("more than {} repeats cannot be asked for", kMaxRepeat));
    }
    return value;
}

void NotationReader::count_nodes(size_t n) {
    nodes_ += n;
    if (nodes_ > kMaxSyntaxNodes)
        fail(fmt::format("the grammar has more than {} parts", kMaxSyntaxNodes));
}

NotationReader::Level::Level(NotationReader& reader) : reader(reader) {
    if (reader.depth_ >= kMaxSyntaxDepth)
        reader.fail(fmt::format("this is nested more than {} deep", kMaxSyntaxDepth));
    reader.depth_++;
}

void NotationReader::fail_at(size_t at, const std::string& what) const {
    const std::string_view before = text_.substr(0, at);
    const size_t line = size_t(std::count(before.begin(), before.end(), '\n')) + 1;
    size_t column = 1;
    for (size_t i = before.rfind('\n') + 1; i < before.size(); column++)
        i += size_t(utf8_at(text_, i).length);
    throw GrammarError(fmt::format("line {}, column {}: {}", line, column, what));
}

std::string NotationReader::found() const {
    if (at_end()) return "the end of the grammar";
    if (peek() == '\n') return "the end of the line";
    const DecodedChar c = utf8_at(text_, at_);
    if (!c.valid || uint8_t(peek()) < 0x20) return fmt::format("byte 0x{:02X}", uint8_t(peek()));
    return fmt::format("'{}'", text_.substr(at_, size_t(c.length)));
}

Syntax literal_of(const std::vector<uint32_t>& code_points) {
    std::vector<Syntax> parts;
    parts.reserve(code_points.size());
    for (uint32_t c : code_points) parts.push_back(one_of(CodePointSet(c)));
    return sequence_of(std::move(parts));
}

}  // namespace qwend::grammar
