#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/grammar/notation_reader.h"
#include "model/grammar/syntax.h"

namespace qwend::grammar {

/// The rules of a grammar that is being read, in which a rule may be used before it is defined.
class RuleTable {
  public:
    explicit RuleTable(const NotationReader& reader) : reader_(reader) {}

    /// The number of that rule, which is used at `at` by the rule `user`.
    size_t use(std::string_view name, size_t at, std::string_view user);
    /// Throws where it is defined already.
    size_t define(std::string_view name, size_t at);
    bool defined(std::string_view name) const;
    void set_syntax(size_t rule, Syntax syntax);
    /// Throws where a rule that is used is not defined, or where none is named `root`.
    GrammarSyntax finish(std::string_view root);

  private:
    struct Use {
        size_t at = 0;
        std::string user;
        bool defined = false;
    };
    size_t number_of(std::string_view name);

    const NotationReader& reader_;
    std::unordered_map<std::string, size_t> numbers_;
    std::vector<GrammarSyntax::Rule> rules_;
    std::vector<Use> uses_;  // the first use of each rule
};

}  // namespace qwend::grammar
