#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/text/jinja/value.h"

namespace qwend::jinja {

/// A name's number within its template.
using NameId = uint32_t;

class Names {
  public:
    NameId id_of(std::string_view name) {
        const auto [at, is_new] = ids_.try_emplace(std::string(name), NameId(names_.size()));
        if (is_new) names_.push_back(&at->first);
        return at->second;
    }
    /// For names that came with a rendering: the number, if the template has the name at all.
    const NameId* find(std::string_view name) const {
        const auto at = ids_.find(std::string(name));
        return at == ids_.end() ? nullptr : &at->second;
    }
    const std::string& operator[](NameId id) const { return *names_[id]; }
    size_t size() const { return names_.size(); }

  private:
    std::unordered_map<std::string, NameId> ids_;
    std::vector<const std::string*> names_;  // the keys above, which stay where they are
};

enum class Operator : uint8_t {
    add,
    subtract,
    multiply,
    divide,
    floor_divide,
    modulo,
    power,
    negate,
    plus,
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    in,
    not_in,
};

/// An expression; what its `parts` are depends on its kind.
struct Expression {
    enum Kind : uint8_t {
        literal,        // value
        name,           // name
        list,           // elements
        tuple,          // elements
        dict,           // key, value, key, value, …
        attribute,      // object; name
        subscript,      // object, index
        slice,          // object, start, stop, step; a missing one is a literal none
        call,           // what is called, positional arguments, values of `keywords`, *, **
        filter,         // the same; name, builtin
        test,           // the same; name, builtin
        captured,       // what the body of a filter or set block wrote
        unary,          // operand; op
        binary,         // left, right; op
        concatenation,  // operands of ~
        comparison,     // operands; the operators between them are `comparisons`
        logical_not,    // operand
        logical_and,    // left, right
        logical_or,     // left, right
        conditional,    // condition, then, else
    };
    Kind kind = literal;
    Operator op = Operator::add;
    bool has_star = false, has_double_star = false;  // a call's last parts are *args, **kwargs
    uint16_t depth = 1;
    int line = 0;
    NameId name_id = 0;
    const Builtin* builtin = nullptr;  // null: there is none of that name
    Value value;
    std::vector<Expression> parts;
    std::vector<NameId> keywords;
    std::vector<Operator> comparisons;
};

/// A macro, or the body of a call block.
struct MacroSignature {
    NameId name = 0;  // a call block has "caller"
    std::vector<NameId> parameters;
    std::vector<Expression> defaults;  // of the last parameters
    bool takes_caller = false, takes_varargs = false,
         takes_kwargs = false;  // as its body uses them
};

struct Statement {
    enum Kind : uint8_t {
        text,          // value
        print,         // expressions[0]
        if_chain,      // expressions: conditions; branches: a body each, and that of else
        for_loop,      // expressions: target, iterable, filter; body; otherwise
        set,           // expressions: target, value
        set_block,     // expressions: target, filters over what the body wrote; body
        macro,         // signature, body
        call_block,    // expressions[0]: a call; signature, body
        filter_block,  // expressions[0]: filters over what the body wrote; body
        with,          // expressions: target, value, target, value, …; body
        scope,         // body; {% generation %}
        break_loop,
        continue_loop,
    };
    Kind kind = text;
    bool is_recursive = false;
    int line = 0;
    Value value;
    std::vector<Expression> expressions;
    std::vector<Statement> body, otherwise;
    std::vector<std::vector<Statement>> branches;
    MacroSignature signature;
};

}  // namespace qwend::jinja
