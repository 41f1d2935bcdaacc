#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/grammar/grammar.h"
#include "model/grammar/schema/branch.h"

namespace qwend::grammar {

/// Values, by canonical(), and how they are generated.
using ValueTexts = std::map<std::string, std::string>;

/// Takes schemas apart: what is asked of a value becomes a list of branches, of which each has no
/// choice left. Whatever cannot be asked of a text that is read from left to right is a
/// GrammarError that says where in the schema it stands.
class Expansion {
  public:
    /// Both outlive this.
    Expansion(SchemaDocument& document, Languages& languages)
        : document_(document), languages_(languages) {}

    static constexpr size_t kMaxBranches = 1'000;        // of one list of terms
    static constexpr size_t kMaxBranchesInAll = 30'000;  // as a bound on time
    static constexpr size_t kMaxChoices = 200;           // that are made one after the other

    /// Those that cannot hold are left out. Of an exclusive choice no two branches have a value in
    /// common.
    const std::vector<Branch>& branches(const Terms& terms);

    /// Whether these are all: of what must not hold some ways may be left out.
    bool is_exact(const Terms& terms);

    /// Whether branches() is on its way to know them: what depends on that is not known.
    bool in_progress(const Terms& terms) const { return in_progress_.contains(terms); }

    /// What is asked of element `index` of an array, that it is contained beside, if so; or of the
    /// member of an object.
    Terms element_terms(const Branch& branch, size_t index, const Contained* contained = nullptr);
    Terms member_terms(const Branch& branch, const std::string& name);
    /// What is asked of a member since some keywords do not see it spoken of.
    void add_unevaluated(const Branch& branch, const std::set<SchemaId>& speak_of_it,
                         Terms& out) const;
    const ObjectPart& object_part(SchemaId id);
    const ArrayPart& array_part(SchemaId id);
    /// How many elements of the branch have schemas of their own.
    size_t n_own_elements(const Branch& branch);
    /// Why what `contains` asks for cannot be counted; nullptr if it can.
    const char* why_not_counted(const Branch& branch);

    /// Whether the value is one of the branch.
    bool accepts(const Branch& branch, const JsonValue& value);
    bool accepts(const Terms& terms, const JsonValue& value);
    /// Whether it is none of what the branch stands for, even if not all of that is accepted.
    bool rejects(const Branch& branch, const JsonValue& value);
    /// All values that the terms allow; nothing if there are more than Node::kMaxUnique of them.
    std::optional<ValueTexts> texts_of(const Terms& terms);

    SchemaDocument& document() { return document_; }
    Languages& languages() { return languages_; }

  private:
    struct Choice {
        std::vector<Terms> options;
        std::optional<SchemaId> exclusive;  // whose, if one option alone may hold
        uint32_t scope = 0, option = 0;
    };
    /// A term, and what sees it: the innermost scope that it is in.
    struct Seen {
        Term term;
        uint32_t scope = 0;

        auto operator<=>(const Seen&) const = default;
    };
    struct Asked {
        Seen seen;
        uint32_t option = 0;  // of an exclusive choice that it is asked because of
    };
    /// An option that was taken of an exclusive choice.
    struct Option {
        uint32_t outer = 0;
        SchemaId choice = 0;
    };
    /// Of a schema with unevaluated… keywords: all that applies to the same value because of it.
    struct Scope {
        uint32_t outer = 0;
        std::vector<size_t> unevaluated;  // of the branch
    };
    /// A branch on its way: what is still to be looked at.
    struct Draft {
        Branch branch;
        std::vector<Seen> done;  // sorted
        std::vector<Asked> todo;
        std::vector<Choice> choices;
        std::vector<Scope> scopes{1};    // the first sees nothing
        std::vector<Option> options{1};  // the first is none
        uint32_t scope = 0, option = 0;  // of what is being looked at

        void ask(const Term& term) { todo.push_back({{term, scope}, option}); }
        void choose(std::vector<Terms> options, std::optional<SchemaId> exclusive = {}) {
            choices.push_back({std::move(options), exclusive, scope, option});
        }
        /// For each such keyword that sees what is being looked at.
        void for_each_that_sees(const std::function<void(Unevaluated&)>& visit);
        void note_seen(SchemaId schema);
        size_t n_choices = 0;  // that were made
    };

    void run(Draft draft, std::vector<Branch>& out);
    bool is_exclusive(const std::vector<Branch>& branches);
    void leave_out(const Draft& draft);
    void leave_out(const Branch& branch);
    void apply(const Term& term, Draft& draft);
    void apply_schema(SchemaId id, Draft& draft);
    void apply_keyword(SchemaId id, Keyword keyword, const JsonValue& value, Draft& draft);
    void apply_number(Keyword keyword, const JsonValue& value, Branch& branch);
    void apply_string(Keyword keyword, const JsonValue& value, Branch& branch);
    void apply_size(Keyword keyword, const JsonValue& value, Branch& branch);
    void apply_members(SchemaId id, Keyword keyword, const JsonValue& value, Draft& draft);
    void apply_logic(SchemaId id, Keyword keyword, const JsonValue& value, Draft& draft);
    void apply_one_of(SchemaId id, const JsonValue& value, Draft& draft);
    void begin_scope(const SchemaDocument::Schema& schema, Draft& draft);
    void apply_limit(SchemaId id, Keyword keyword, const JsonValue& value, Draft& draft);
    void apply_type(SchemaId id, const JsonValue& value, Branch& branch);
    void apply_values(Keyword keyword, const JsonValue& value, Branch& branch);
    void apply_elements(SchemaId id, Keyword keyword, const JsonValue& value, Draft& draft);
    std::pair<uint32_t, uint32_t> contained_bounds(SchemaId id);
    void limit_contained(Contained more, Draft& draft);
    void limit_values(std::vector<JsonValue> values, Branch& branch);
    void apply_exclusive_flag(SchemaId id, Keyword keyword, Branch& branch);

    std::optional<ValueTexts> texts_of(const Branch& branch);
    size_t unevaluated_from(const Unevaluated& each);
    void drop_uncounted(Branch& branch);
    bool accepts_array(const Branch& branch, const JsonValue& array);

    bool can_fail(SchemaId id);
    /// The ways in which a schema can fail, and whether these are all of them.
    struct Failures {
        std::vector<Terms> ways;
        bool are_all = true;
    };
    Failures ways_to_fail(SchemaId id);
    void apply_failure(SchemaId id, Draft& draft);
    void add_failures(SchemaId id, Keyword keyword, const JsonValue& value, Failures& failures);
    void add_failures_of_parts(SchemaId id, Keyword keyword, const JsonValue& value,
                               Failures& failures);
    void apply_keyword_failure(const Term& term, Draft& draft);
    void fail_elements(const Term& term, const JsonValue& value, Draft& draft);
    void fail_number(SchemaId id, Keyword keyword, const JsonValue& value, Branch& branch);
    void fail_type(SchemaId schema, const JsonValue& value, Branch& branch);
    void fail_size(Keyword keyword, const JsonValue& value, Branch& branch);

    std::vector<SchemaId> schemas_in(const JsonValue& list);
    uint32_t count(const JsonValue& value);
    Decimal decimal(const JsonValue& value);
    LanguageId pattern(std::string_view text, const JsonValue& at);
    std::vector<JsonValue> filtered(const Branch& branch);
    JsonMember member_of(const Term& term);
    std::string member_name(const Term& term);

    SchemaDocument& document_;
    Languages& languages_;
    struct Branches {
        std::vector<Branch> all;
        bool are_exact = true;
    };
    std::map<Terms, Branches> branches_;
    // Of those on their way: whether something is left out, and of which exclusive choices.
    struct LeftOut {
        bool any = false;
        std::set<SchemaId> choices;
    };
    LeftOut left_out_;
    bool has_guessed_ = false;  // accepts() has looked at what is not exact
    std::unordered_map<SchemaId, ObjectPart> object_parts_;
    std::unordered_map<SchemaId, ArrayPart> array_parts_;
    std::map<std::string, LanguageId, std::less<>> patterns_;
    // Whose options are not known to exclude each other, so that each asks that the others fail.
    std::set<SchemaId> negated_choices_;
    std::set<Terms> in_progress_;
    std::unordered_map<SchemaId, bool> can_fail_;
    int can_fail_depth_ = 0;
    size_t n_branches_ = 0;
};

/// One text for each JSON value: two are equal exactly if these are.
std::string canonical(const JsonValue& value);
/// As it is generated: without whitespace, its strings as json_body() spells them.
std::string compact(const JsonValue& value);

}  // namespace qwend::grammar
