#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/grammar/byte_set.h"
#include "model/grammar/id_table.h"
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
    /// With the languages of `base`, which have the numbers that they have there, and what is known
    /// of them. It outlives this and all copies, and is not to be changed any more.
    explicit Languages(const Languages* base);
    const Languages* base() const { return base_; }

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
    LanguageId either(std::span<const LanguageId> parts);
    LanguageId both(std::span<const LanguageId> parts);
    LanguageId either(std::initializer_list<LanguageId> parts) {
        return either(std::span(parts.begin(), parts.size()));
    }
    LanguageId both(std::initializer_list<LanguageId> parts) {
        return both(std::span(parts.begin(), parts.size()));
    }
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
    bool has_empty(LanguageId id) const { return at(id).has_empty; }
    /// Whether it is made without intersections and complements.
    bool is_plain(LanguageId id) const { return at(id).plain; }
    /// What may follow `byte`; kNothing exactly if nothing can.
    LanguageId after(LanguageId id, uint8_t byte) {
        // As a rule it was asked before.
        if (const int32_t row = at(id).row; row >= 0) {
            const LanguageId to = (is_of_base(id) ? base_->rows_ : rows_)[size_t(row)][byte];
            if (to != kUnknown && is_known(to)) return to;
        }
        return find_after(id, byte);
    }
    /// after(), of which nothing is noted: of what is not asked again.
    LanguageId peek(LanguageId id, uint8_t byte);
    /// The byte with which all texts begin but the empty one; nothing if there are several.
    std::optional<uint8_t> only_first_byte(LanguageId id);
    /// Whether there is no text in it. May have to walk its automaton.
    bool is_empty(LanguageId id);
    bool contains(LanguageId id, std::string_view text);

    /// What a set of characters was spelled as, of late or in the base, by who spells it `how`:
    /// that takes thousands of steps, and expressions have few sets, each many times.
    using Spelling = LanguageId (*)(Languages&, const CodePointSet&);
    LanguageId spelled(const CodePointSet& set, Spelling how);

    /// From now on so much more may be done before GrammarError is thrown.
    void allow_work(size_t work) { work_left_ = work; }
    size_t work_left() const { return work_left_; }

    /// Of what is not the base's: expressions; bytes of memory, about.
    size_t size() const { return expressions_.size(); }
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
    LanguageId push(const Expression& expression);
    LanguageId add(const Expression& expression);
    LanguageId add_parts(Kind kind, std::span<const LanguageId> parts);
    uint32_t set_index(const ByteSet& set);
    template <class IsIt>
    uint32_t find_in(IdTable Languages::*table, uint64_t hash, const IsIt& is_it) const;
    bool is_of_base(LanguageId id) const { return id < n_base_; }
    const Expression& at(LanguageId id) const {
        return is_of_base(id) ? base_->expressions_[id] : expressions_[id - n_base_];
    }
    const ByteSet& set_at(uint32_t index) const {
        return index < n_base_sets_ ? base_->sets_[index] : sets_[index - n_base_sets_];
    }
    const std::string& text_at(uint32_t index) const {
        return index < n_base_texts_ ? base_->texts_[index] : texts_[index - n_base_texts_];
    }
    std::span<const uint32_t> parts_of(const Expression& expression) const {
        const bool of_base = expression.a < n_base_parts_;
        return std::span(of_base ? base_->parts_ : parts_)
            .subspan(of_base ? expression.a : expression.a - n_base_parts_, expression.b);
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
        const Expression& e = at(id);
        return e.plain || e.has_empty || life(id) == 1;
    }
    uint8_t life(LanguageId id) const {
        const uint8_t known = at(id).life;
        if (known || !is_of_base(id) || found_of_base_.empty()) return known;
        const auto found = found_of_base_.find(id);
        return found == found_of_base_.end() ? 0 : found->second.life;
    }
    /// Where it is 0, or was set.
    void set_life(LanguageId id, uint8_t life) {
        (is_of_base(id) ? found_of_base_[id].life : expressions_[id - n_base_].life) = life;
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
    IdTable ids_, set_ids_, text_ids_;
    // What was found out of the base's languages since.
    struct Found {
        int32_t row = -1;
        uint8_t life = 0;
    };
    std::unordered_map<LanguageId, Found> found_of_base_;
    const Languages* base_ = nullptr;
    size_t n_base_ = 0, n_base_parts_ = 0, n_base_sets_ = 0, n_base_texts_ = 0;
    struct Spelled {
        CodePointSet set;
        Spelling how;
        LanguageId language;
    };
    static constexpr size_t kMostSpelled = 64;
    const Spelled* find_spelled(const CodePointSet& set, Spelling how) const;
    std::vector<Spelled> spelled_;
    size_t n_spelled_ = 0;
    size_t work_left_ = kMaxWork;
};

}  // namespace qwend::grammar
