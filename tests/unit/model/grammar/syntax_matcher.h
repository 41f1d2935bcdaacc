#pragma once

#include <fmt/format.h>

#include <bitset>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "model/grammar/syntax.h"
#include "model/utf8.h"

namespace qwend::grammar {

/// The slow twin of whatever decides whether a text is one that a Syntax says: for each part and
/// each place the set of places where it may end, straight from what the kinds mean. The text has
/// at most 511 code points. Rules may be left-recursive: what a rule may end at is computed again
/// until nothing is added.
class SyntaxMatcher {
  public:
    static constexpr size_t kMostCodePoints = 511;

    static bool matches(const Syntax& syntax, std::string_view text) {
        return SyntaxMatcher(nullptr, text).matches_whole(syntax);
    }

    static bool matches(const GrammarSyntax& grammar, std::string_view text) {
        return SyntaxMatcher(&grammar, text).matches_whole(grammar.rules.at(grammar.root).syntax);
    }

  private:
    using Ends = std::bitset<kMostCodePoints + 1>;

    SyntaxMatcher(const GrammarSyntax* grammar, std::string_view text) : grammar_(grammar) {
        for (size_t at = 0; at < text.size();) {
            const DecodedChar decoded = utf8_at(text, at);
            text_ += char32_t(decoded.code_point);
            at += size_t(decoded.length);
        }
        if (text_.size() > kMostCodePoints) throw std::length_error("too long for the slow twin");
    }

    bool matches_whole(const Syntax& syntax) {
        for (;;) {
            grew_ = false;
            known_.clear();
            if (ends(syntax, 0)[text_.size()]) return true;
            if (!grew_) return false;
        }
    }

    Ends ends(const Syntax& syntax, size_t at) {
        switch (syntax.kind) {
            case Syntax::Kind::empty:
                return one(at);
            case Syntax::Kind::set:
                return at < text_.size() && syntax.set.contains(text_[at]) ? one(at + 1) : Ends();
            case Syntax::Kind::sequence: {
                Ends now = one(at);
                for (const Syntax& part : syntax.parts) now = ends_of_each(part, now);
                return now;
            }
            case Syntax::Kind::choice: {
                Ends now;
                for (const Syntax& part : syntax.parts) now |= ends(part, at);
                return now;
            }
            case Syntax::Kind::repeat:
                return ends_of_repeat(syntax, at);
            case Syntax::Kind::rule:
                return ends_of_rule(syntax.rule, at);
            case Syntax::Kind::text_begin:
                return at == 0 ? one(at) : Ends();
            case Syntax::Kind::text_end:
                return at == text_.size() ? one(at) : Ends();
            case Syntax::Kind::look_ahead:
                return ends(syntax.parts.at(0), at).any() != syntax.negated ? one(at) : Ends();
        }
        return {};
    }

    Ends ends_of_each(const Syntax& syntax, const Ends& begins) {
        Ends now;
        for (size_t at = 0; at <= text_.size(); at++)
            if (begins[at]) now |= ends(syntax, at);
        return now;
    }

    /// From the minimum on, only places that were not reached with fewer are followed.
    Ends ends_of_repeat(const Syntax& syntax, size_t at) {
        Ends now = one(at);
        for (uint32_t i = 0; i < syntax.min && now.any(); i++) {
            const Ends next = ends_of_each(syntax.parts.at(0), now);
            if (next == now) break;  // from here on it stays so
            now = next;
        }
        Ends reached = now;
        for (uint32_t i = syntax.min; i < syntax.max && now.any(); i++) {
            now = ends_of_each(syntax.parts.at(0), now) & ~reached;
            reached |= now;
        }
        return reached;
    }

    Ends ends_of_rule(size_t rule, size_t at) {
        const std::pair key(rule, at);
        const auto [known, is_new] = known_.try_emplace(key, found_[key]);
        if (!is_new) return known->second;
        const Ends now = ends(grammar_->rules.at(rule).syntax, at) | found_[key];
        grew_ |= now != found_[key];
        return known_[key] = found_[key] = now;
    }

    static Ends one(size_t at) { return Ends().set(at); }

    const GrammarSyntax* grammar_;
    std::u32string text_;
    std::map<std::pair<size_t, size_t>, Ends> found_, known_;  // in all rounds, in this one
    bool grew_ = false;
};

/// A set as ranges of code points in brackets, printable ASCII as it is: [a-z\u{3b1}].
inline std::string printed(const CodePointSet& set) {
    auto one = [](uint32_t c) {
        return c > ' ' && c < 0x7F &&
                       std::string_view("[]-\\^").find(char(c)) == std::string_view::npos
                   ? std::string(1, char(c))
                   : fmt::format("\\u{{{:x}}}", c);
    };
    if (set == CodePointSet::all()) return "[any]";
    std::string out = "[";
    for (const CodePointRange& range : set.ranges()) {
        out += one(range.first);
        if (range.last > range.first + 1) out += "-";
        if (range.last > range.first) out += one(range.last);
    }
    return out + "]";
}

/// A tree as text, a character alone as itself: (seq a (rep 0 * (alt b c))).
inline std::string printed(const Syntax& syntax) {
    auto with_parts = [&](std::string out) {
        for (const Syntax& part : syntax.parts) out += " " + printed(part);
        return out + ")";
    };
    switch (syntax.kind) {
        case Syntax::Kind::empty:
            return "empty";
        case Syntax::Kind::set: {
            const auto& ranges = syntax.set.ranges();
            const bool is_one = ranges.size() == 1 && ranges[0].first == ranges[0].last;
            std::string out = printed(syntax.set);
            if (is_one) out = out.substr(1, out.size() - 2);
            return out;
        }
        case Syntax::Kind::sequence:
            return with_parts("(seq");
        case Syntax::Kind::choice:
            return with_parts("(alt");
        case Syntax::Kind::repeat:
            return with_parts(fmt::format(
                "(rep {} {}", syntax.min,
                syntax.max == kUnbounded ? std::string("*") : std::to_string(syntax.max)));
        case Syntax::Kind::rule:
            return fmt::format("rule{}", syntax.rule);
        case Syntax::Kind::text_begin:
            return "begin";
        case Syntax::Kind::text_end:
            return "end";
        case Syntax::Kind::look_ahead:
            return with_parts(syntax.negated ? "(not-ahead" : "(ahead");
    }
    return {};
}

}  // namespace qwend::grammar
