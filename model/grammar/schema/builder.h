#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/grammar/schema/expansion.h"
#include "model/grammar/schema/schema.h"

namespace qwend::grammar {

/// Makes nodes of branches. Each list of terms has one node, so that what refers to itself does so
/// in the grammar too.
class Builder {
  public:
    Builder(SchemaDocument& document, Grammar& grammar, const SchemaOptions& options);

    /// The node of all that `terms` allow, and of what that leads to.
    NodeId build(const Terms& terms);
    /// The same of members that stand one by one, and not in an object.
    NodeId build_parameters(const Terms& terms, const ParameterStyle& style);

  private:
    void build_rest();
    NodeId node_of(const Terms& terms);
    NodeId objects_node(const Terms& terms);
    /// Of each; an error says where.
    std::vector<NodeId> nodes_of_branches(const Terms& terms,
                                          const std::function<NodeId(const Branch&)>& node);
    NodeId branch_node(const Branch& branch);
    NodeId values_node(const std::vector<JsonValue>& values);
    NodeId string_node(const Branch& branch);
    NodeId number_node(const Branch& branch);
    NodeId array_node(const Branch& branch);
    NodeId listed_elements(const Branch& branch);
    NodeId mixed_elements(const Branch& branch);
    NodeId unique_elements(const Branch& branch);
    NodeId object_node(const Branch& branch);
    NodeId member_node(const Terms& terms);

    /// Of a string's body; `counted`: its length is left to a counter, from `min` on, which may be
    /// more than asked for.
    struct Body {
        LanguageId language;
        bool counted;
        uint32_t min;
    };
    Body string_body(const Branch& branch);
    std::vector<LanguageId> after_character(LanguageId body);
    /// Whether a text may end after any number of characters in a range: then nothing but the
    /// number has to be looked at.
    struct Counts {
        bool all = false;
        uint32_t from = 0, to = kUnbounded;
    };
    Counts counts_of(LanguageId body);
    LanguageId names_allowed(const Terms& terms);

    NodeId parameters_node(const Branch& branch, const ParameterStyle& style);
    NodeId parameter_value(const Terms& terms, uint8_t read_types, const ParameterStyle& style);
    LanguageId parameter_text(const Branch& branch);
    LanguageId read_as_other(uint8_t types);
    void add_other_parameters(const Branch& branch, const ParameterStyle& style, Members& members);

    using Names = std::vector<std::string>;
    Names declared_names(const Branch& branch);
    Members limited_members(const Branch& branch);
    NodeId members_node(Members members);
    void add_others(const Branch& branch, const Names& declared, Members& members);
    /// Names that match the same patterns, a bit for each.
    struct NameClass {
        uint64_t matched;
        std::vector<LanguageId> names;  // what they are, all of it
    };
    std::vector<NameClass> name_classes(std::vector<LanguageId> names,
                                        const std::vector<LanguageId>& patterns);
    void add_class(const Branch& branch, const std::vector<LanguageId>& patterns,
                   const NameClass& names, Members& members);

    SchemaDocument& document_;
    Grammar& grammar_;
    const SchemaOptions options_;
    Expansion expansion_;
    std::map<Terms, NodeId> nodes_;
    // Of bodies: their counts; and what is left of them from `min` to `max` characters.
    std::map<LanguageId, Counts> counts_;
    std::map<std::array<uint32_t, 3>, LanguageId> bounded_;
    std::deque<std::pair<Terms, NodeId>> todo_;

    LanguageId inner_space_, comma_, colon_;
    LanguageId any_body_, any_body_with_pairs_, plain_body_, quote_;
    NodeId nothing_, any_string_, quote_node_, object_begin_, object_end_, array_begin_, array_end_;
};

}  // namespace qwend::grammar
