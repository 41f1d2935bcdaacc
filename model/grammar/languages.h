#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/grammar/byte_set.h"
#include "model/grammar/syntax.h"

namespace qwend::grammar {

/// A regular language: a set of byte strings. Equal expressions have equal ids.
using LanguageId = uint32_t;

/// Regular languages, and the automata that recognise them, made as far as they are walked. A
/// language is the state of its own automaton: what may follow once a byte was read is a language
/// again, its derivative. That makes intersection and complement as cheap as alternatives.
/// Source: Owens, Reppy, Turon, "Regular-expression derivatives re-examined", 2009.
///
/// It grows with what is asked of it; whatever would make it grow above its bound throws
/// GrammarError. One thread at a time.
class Languages {
  public:
    static constexpr LanguageId kNothing = 0;   // no text at all
    static constexpr LanguageId kEmpty = 1;     // the empty text
    static constexpr LanguageId kAnyByte = 2;   // every string of one byte
    static constexpr LanguageId kAnything = 3;  // every string of bytes
    static constexpr size_t kMaxExpressions = 400'000;
    /// What compiling may cost, and what one more token: derivatives of expressions, which take
    /// forty to some hundred nanoseconds each.
    static constexpr size_t kMaxWork = 3'000'000, kMaxTokenWork = 500'000;
    /// Of one expression: what a byte costs is in proportion.
    static constexpr size_t kMaxParts = 4'000;

    Languages();

    LanguageId byte_in(const ByteSet& set);
    LanguageId literal(std::string_view text);
    /// Any one of many texts: its automaton costs no more than that of a few.
    LanguageId one_of(std::vector<std::string> texts);
    /// Whatever has one of these in it, with anything around it.
    LanguageId containing(std::vector<std::string> texts) {
        return sequence({kAnything, one_of(std::move(texts)), kAnything});
    }
    /// The same as either(), with what parts begin with in common taken out of them, so that it
    /// costs less to walk.
    LanguageId either_factored(std::vector<LanguageId> parts);
    LanguageId sequence(LanguageId first, LanguageId second);
    LanguageId sequence(std::initializer_list<LanguageId> parts);
    LanguageId either(std::vector<LanguageId> parts);
    LanguageId both(std::vector<LanguageId> parts);
    LanguageId complement(LanguageId part);
    LanguageId repeat(LanguageId part, uint32_t min, uint32_t max = kUnbounded);
    LanguageId optional(LanguageId part) { return either({kEmpty, part}); }
    /// Digits that, followed by `n_zeros` zeros, are a multiple of `divisor`, after digits that
    /// left `remainder`; with a point among them, each digit behind it takes the place of one of
    /// the zeros, and there are no more digits than zeros. 0 < divisor <= kMaxDivisor.
    LanguageId multiple_of(uint32_t divisor, uint32_t n_zeros, uint32_t remainder = 0,
                           bool behind_point = false);
    static constexpr uint32_t kMaxDivisor = 100'000'000;

    /// Whether the empty text is one of it.
    bool has_empty(LanguageId id) const { return expressions_[id].has_empty; }
    /// What may follow `byte`; kNothing exactly if nothing can.
    LanguageId after(LanguageId id, uint8_t byte) {
        // As a rule it was asked before.
        if (const int32_t row = expressions_[id].row; row >= 0) {
            const LanguageId to = rows_[size_t(row)][byte];
            if (to != kUnknown && is_known(to)) return to;
        }
        return find_after(id, byte);
    }
    /// Whether there is no text in it. May have to walk its automaton.
    bool is_empty(LanguageId id);
    bool contains(LanguageId id, std::string_view text);

    /// From now on so much more may be done before GrammarError is thrown.
    void allow_work(size_t work) { work_left_ = work; }
    size_t work_left() const { return work_left_; }

    size_t size() const { return expressions_.size(); }
    /// Bytes of memory, about.
    size_t n_bytes() const;

  private:
    enum class Kind : uint8_t {
        nothing,
        empty,
        byte_in,
        sequence,
        either,
        both,
        complement,
        repeat,
        multiple_of,
        one_of
    };
    struct Expression {
        Kind kind;
        bool has_empty;
        bool plain;        // without intersections and the like: if not kNothing, then not empty
        uint8_t life = 0;  // of one that is not plain: 0 not known, 1 has a text, 2 has none
        uint32_t a = 0, b = 0, c = 0;  // parts: ranges; ids; bounds; an index of sets_
        int32_t row = -1;              // of rows_
    };
    using Row = std::array<LanguageId, 256>;
    struct Derivative {
        LanguageId to = kNothing;
        ByteSet same = ByteSet::all();  // for these bytes it is this one
    };
    struct Key {
        Kind kind;
        uint32_t a, b, c;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        size_t operator()(const Key& key) const;
    };

    LanguageId push(const Expression& expression);
    LanguageId add(const Expression& expression);
    LanguageId add_parts(Kind kind, std::vector<LanguageId>& parts);
    uint32_t set_index(const ByteSet& set);
    std::span<const uint32_t> parts_of(const Expression& expression) const {
        return std::span(parts_).subspan(expression.a, expression.b);
    }
    LanguageId one_of(uint32_t first, uint32_t last, uint32_t depth);
    Derivative derive(LanguageId id, uint8_t byte);
    Derivative derive_parts(Kind kind, std::span<const uint32_t> parts, uint8_t byte);
    Derivative derive_sequence(LanguageId id, uint8_t byte);
    Derivative derive_multiple(const Expression& expression, uint8_t byte);
    Derivative derive_one_of(const Expression& expression, uint8_t byte);
    static constexpr LanguageId kUnknown = UINT32_MAX;
    /// To be nothing, or to have a text.
    bool is_known(LanguageId id) const {
        const Expression& e = expressions_[id];
        return e.plain || e.has_empty || e.life == 1;
    }
    LanguageId step(LanguageId id, uint8_t byte);
    LanguageId find_after(LanguageId id, uint8_t byte);
    void find_text(LanguageId id);
    bool find_short_text(LanguageId id, std::vector<LanguageId>& visited);
    void find_text_from(LanguageId id, std::vector<LanguageId>& visited);

    std::vector<Expression> expressions_;
    std::vector<uint32_t> parts_;
    std::vector<ByteSet> sets_;
    std::vector<std::string> texts_;  // of each one_of(), sorted
    size_t n_text_bytes_ = 0;
    std::deque<Row> rows_;
    std::unordered_map<Key, LanguageId, KeyHash> ids_;
    std::unordered_multimap<uint64_t, LanguageId> ids_of_parts_;  // by the hash of their parts
    std::unordered_multimap<uint64_t, uint32_t> ids_of_sets_;
    size_t work_left_ = kMaxWork;
};

}  // namespace qwend::grammar
