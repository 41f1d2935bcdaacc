#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/grammar/syntax.h"

namespace qwend::grammar {

/// What the parsers of GBNF and of Lark have in common: where one stands in the text, how it
/// complains, and the small things that both notations spell alike.
class NotationReader {
  public:
    explicit NotationReader(std::string_view text) : text_(text) {}

    bool at_end() const { return at_ >= text_.size(); }
    size_t at() const { return at_; }
    void move_to(size_t at) { at_ = at; }
    /// 0 behind the end, where no comparison but with 0 holds.
    char peek(size_t ahead = 0) const {
        return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
    }
    std::string_view rest() const { return text_.substr(at_); }
    std::string_view since(size_t begin) const { return text_.substr(begin, at_ - begin); }
    /// Whether `what` stood here, which is then behind.
    bool take(std::string_view what);
    void skip(size_t n) { at_ += n; }
    void skip_line();
    /// Whether nothing but white space stands before that place on its line.
    bool begins_line(size_t at) const;

    /// Throws where no UTF-8 stands.
    uint32_t take_code_point();
    uint32_t take_hex_digits(int n);
    /// A decimal number, of at most kMaxRepeat.
    uint32_t take_count();
    bool at_digit() const { return peek() >= '0' && peek() <= '9'; }

    /// Counts what is made, so that the bound on nodes holds before memory is spent.
    void count_nodes(size_t n);

    /// A level deeper in the text's nesting, for as long as it lives.
    struct Level {
        explicit Level(NotationReader& reader);
        ~Level() { reader.depth_--; }
        Level(const Level&) = delete;
        NotationReader& reader;
    };

    [[noreturn]] void fail(const std::string& what) const { fail_at(at_, what); }
    /// The line and the column, both from 1, and the column in code points.
    [[noreturn]] void fail_at(size_t at, const std::string& what) const;
    /// What stands here, for a message.
    std::string found() const;

  private:
    std::string_view text_;
    size_t at_ = 0, nodes_ = 0, depth_ = 0;
};

/// What a number of repeats may be.
inline constexpr uint32_t kMaxRepeat = 100'000;

/// Of ASCII.
constexpr bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// The text as a sequence of sets of one code point each.
Syntax literal_of(const std::vector<uint32_t>& code_points);

}  // namespace qwend::grammar
