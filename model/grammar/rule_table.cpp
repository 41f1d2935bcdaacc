#include "model/grammar/rule_table.h"

#include <utility>

#include <fmt/format.h>

#include "model/grammar/syntax_parts.h"
#include "model/utf8.h"

namespace qwend::grammar {

size_t RuleTable::number_of(std::string_view name) {
    const auto [entry, is_new] = numbers_.emplace(name, rules_.size());
    if (is_new) {
        rules_.push_back({std::string(name), {}});
        uses_.emplace_back();
    }
    return entry->second;
}

size_t RuleTable::use(std::string_view name, size_t at, std::string_view user) {
    const size_t rule = number_of(name);
    if (Use& use = uses_[rule]; use.user.empty()) {
        use.at = at;
        use.user = user;
    }
    return rule;
}

size_t RuleTable::define(std::string_view name, size_t at) {
    const size_t rule = number_of(name);
    if (uses_[rule].defined)
        reader_.fail_at(at, fmt::format("rule '{}' is defined twice", excerpt(name)));
    uses_[rule].defined = true;
    return rule;
}

bool RuleTable::defined(std::string_view name) const {
    const auto entry = numbers_.find(std::string(name));
    return entry != numbers_.end() && uses_[entry->second].defined;
}

void RuleTable::set_syntax(size_t rule, Syntax syntax) {
    if (depth(syntax) > kMaxSyntaxDepth)
        reader_.fail(fmt::format("rule '{}' is nested more than {} deep",
                                 excerpt(rules_[rule].name), kMaxSyntaxDepth));
    rules_[rule].syntax = std::move(syntax);
}

GrammarSyntax RuleTable::finish(std::string_view root) {
    for (size_t i = 0; i < rules_.size(); i++)
        if (!uses_[i].defined)
            reader_.fail_at(uses_[i].at,
                            fmt::format("rule '{}' uses '{}', which is not defined",
                                        excerpt(uses_[i].user), excerpt(rules_[i].name)));
    const auto entry = numbers_.find(std::string(root));
    if (entry == numbers_.end())
        throw GrammarError(
            fmt::format("the grammar has no rule '{}', which is where it would begin", root));
    return {std::move(rules_), entry->second};
}

}  // namespace qwend::grammar
