#pragma once

#include <ctime>
#include <span>
#include <string_view>
#include <vector>

#include "model/text/jinja/ast.h"
#include "model/text/jinja/builtins.h"
#include "model/text/jinja/template_parser.h"

namespace qwend::jinja {

struct Binding {
    NameId name;
    Value value;
    Binding* next;
};

/// The names that were set in a block; what is not among them is looked for around it.
struct Scope {
    Scope* parent;
    Binding* first;
};

/// A macro, or the body of a call block, and the names that it sees.
struct MacroValue {
    std::string_view name;
    const Statement* statement;
    Scope* scope;
};

/// A loop that runs: what `loop` is within it.
struct LoopState {
    const Statement* statement;
    Scope* outer;
    std::span<const Value> items;
    size_t next = 0;          // the first item that was not looked at
    bool is_filtered;         // items must pass the loop's `if`, which is asked when one is due
    int64_t n_looked_at = 0;  // that are no longer among the items
    int64_t index0 = -1;
    int64_t depth0 = 0;              // of recursive loops
    Value previous, current, after;  // `after` was looked at, but is not current yet
    Value changed;                   // what loop.changed() was last asked with
};

/// Walks a template's statements. One for each rendering.
class Interpreter {
  public:
    Interpreter(const ParsedTemplate& parsed, Workspace& work, std::time_t now);

    void set_variable(std::string_view name, const Value& value);
    /// Throws Failure.
    void run();
    const TextBuilder& output() const { return output_; }
    int line() const { return line_; }  // that it has reached

    Workspace& work() { return work_; }
    std::time_t now() const { return now_; }

    // What filters and methods need of it.
    Value call(const Value& callee, Arguments& arguments);
    Value attribute(const Value& object, std::string_view name);
    Value subscript(const Value& object, const Value& index);
    Value loop_changed(LoopState& loop, const Value& value);

  private:
    enum class Flow { onward, break_loop, continue_loop };

    // interpreter.cpp: statements.
    Flow run(const std::vector<Statement>& statements);
    Flow run(const Statement& statement);
    Flow run_if(const Statement& statement);
    Flow run_for(const Statement& statement);
    void run_set_block(const Statement& statement);
    void run_call_block(const Statement& statement);
    void run_with(const Statement& statement);
    void run_loop(LoopState& loop);
    bool advance(LoopState& loop);
    bool next_item(LoopState& loop, Value& item);
    void read_ahead(LoopState& loop);
    int64_t length_of_loop(LoopState& loop);
    Value loop_attribute(const Value& loop, std::string_view name);
    Value recurse(LoopState& loop, Arguments& arguments);
    void assign(const Expression& target, const Value& value);
    void set_attribute(const Expression& target, const Value& value);
    /// What a body writes, in a scope of its own.
    Text capture(const std::vector<Statement>& body, Scope* parent);
    Value evaluate_over(const Expression& filters, const Value& captured);

    // evaluate.cpp: expressions.
    Value evaluate(const Expression& expression);
    Value evaluate_name(const Expression& expression);
    Value evaluate_items(const Expression& expression, Type type);
    Value evaluate_dict(const Expression& expression);
    Value evaluate_slice(const Expression& expression);
    Value evaluate_call(const Expression& expression);
    Value evaluate_builtin(const Expression& expression);
    Value evaluate_concatenation(const Expression& expression);
    Value evaluate_comparison(const Expression& expression);
    Value evaluate_conditional(const Expression& expression);
    Arguments evaluate_arguments(const Expression& expression);
    void add_starred(const Expression& expression, Arguments& arguments);

    // calls.cpp.
    Value call_macro(const MacroValue& macro, Arguments& arguments);
    void bind_parameters(const MacroValue& macro, Arguments& arguments);

    void bind(NameId name, const Value& value);
    Value* find(NameId name);
    Scope* new_scope(Scope* parent) { return work_.make<Scope>(parent, nullptr); }

    const ParsedTemplate& parsed_;
    Workspace& work_;
    std::time_t now_;
    TextBuilder output_;
    TextBuilder* out_;              // output_, or what a block captures
    std::vector<Value> variables_;  // by name
    Scope* scope_;
    Value captured_;
    const NameId* loop_name_;
    int line_ = 0;
};

// operators.cpp

Value apply_binary(Workspace& work, Operator op, const Value& a, const Value& b);
Value apply_unary(Operator op, const Value& a);
bool apply_comparison(Workspace& work, Operator op, const Value& a, const Value& b);
Value slice(Workspace& work, const Value& object, const Value& start, const Value& stop,
            const Value& step);

// format.cpp

/// Python's `format % values`.
Text format_percent(Workspace& work, const Text& format, const Value& values);
/// Python's str.format().
Text format_braces(Interpreter& interpreter, const Text& format, const Arguments& arguments);

}  // namespace qwend::jinja
