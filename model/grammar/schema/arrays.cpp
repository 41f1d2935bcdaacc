// Arrays: what the builder makes of a branch's elements.

#include <fmt/core.h>

#include <algorithm>

#include "model/grammar/schema/builder.h"

namespace qwend::grammar {

namespace {

constexpr uint32_t kMaxOwnItems = 1'000;  // of an array, that have schemas of their own
// Of elements that are contained: up to so many, the others may be anything, those as well; the
// text is then meant in one way more for each.
constexpr uint32_t kMaxOverlap = 4;

}  // namespace

NodeId Builder::array_node(const Branch& branch) {
    const bool is_unique = branch.unique && branch.max_items > 1;
    const NodeId elements = is_unique                 ? unique_elements(branch)
                            : branch.contains.empty() ? listed_elements(branch)
                                                      : mixed_elements(branch);
    return grammar_.sequence({array_begin_, elements, array_end_});
}

NodeId Builder::listed_elements(const Branch& branch) {
    const size_t n_own = expansion_.n_own_elements(branch);
    if (n_own > kMaxOwnItems)
        throw GrammarError(fmt::format("prefixItems are possible up to {}", kMaxOwnItems));
    Node node;
    node.kind = Node::Kind::list;
    node.language = comma_;
    node.min = branch.min_items, node.max = branch.max_items;
    for (size_t i = 0; i <= n_own; i++)
        node.parts.push_back(node_of(expansion_.element_terms(branch, i)));
    return grammar_.add(std::move(node));
}

/// Each element is of the contained kind or of the other one, which shows at its end at the latest.
NodeId Builder::mixed_elements(const Branch& branch) {
    const Contained& some = branch.contains[0];
    if (const char* why = expansion_.why_not_counted(branch))
        document_.fail(branch.contains.back().at, why);
    Node node;
    node.kind = Node::Kind::mix;
    node.language = comma_;
    node.min = branch.min_items, node.min_first = some.min;
    if (std::max(node.min, node.min_first) > Node::kMaxMixed)
        document_.fail(some.at, fmt::format("contains is possible in arrays that need not have "
                                            "more than {} elements",
                                            Node::kMaxMixed));
    // Longer ones would be valid, but are not generated.
    if (branch.max_items != kUnbounded) node.max = std::min(branch.max_items, Node::kMaxMixed);
    if (some.max < node.max) node.max_first = std::min(some.max, Node::kMaxMixed);
    Terms first = expansion_.element_terms(branch, 0, &some);
    Terms second = expansion_.element_terms(branch, 0);
    add_term(first, some.term);
    if (node.max_first != kUnbounded || node.min_first > kMaxOverlap)
        add_term(second, denied(some.term));
    node.parts = {node_of(first), node_of(second)};
    return grammar_.add(std::move(node));
}

NodeId Builder::unique_elements(const Branch& branch) {
    const auto texts = expansion_.texts_of(expansion_.element_terms(branch, 0));
    if (expansion_.n_own_elements(branch) > 0 || !branch.contains.empty() || !texts)
        document_.fail(*branch.unique,
                       fmt::format("uniqueItems is possible where all elements are of the same {} "
                                   "values at most: others would have to be remembered",
                                   Node::kMaxUnique));
    Node node;
    node.kind = Node::Kind::unique;
    node.language = comma_;
    node.min = branch.min_items, node.max = branch.max_items;
    for (const auto& [value, text] : *texts)
        node.parts.push_back(grammar_.text(grammar_.languages.literal(text)));
    return grammar_.add(std::move(node));
}

}  // namespace qwend::grammar
