#include "model/text/jinja/interpreter.h"

#include <fmt/core.h>

#include <utility>

#include "model/text/jinja/compare.h"
#include "model/text/jinja/print.h"

namespace qwend::jinja {

Interpreter::Interpreter(const ParsedTemplate& parsed, Workspace& work, std::time_t now)
    : parsed_(parsed),
      work_(work),
      now_(now),
      output_(work),
      out_(&output_),
      variables_(parsed.names.size()),
      scope_(new_scope(nullptr)),
      loop_name_(parsed.names.find("loop")) {
    for (const Builtin& function : all_functions())
        set_variable(function.name, Value::of(Type::function, &function));
}

void Interpreter::set_variable(std::string_view name, const Value& value) {
    if (const NameId* id = parsed_.names.find(name)) variables_[*id] = value;
}

void Interpreter::run() {
    run(parsed_.statements);
}

Value* Interpreter::find(NameId name) {
    for (Scope* scope = scope_; scope != nullptr; scope = scope->parent)
        for (Binding* binding = scope->first; binding != nullptr; binding = binding->next)
            if (binding->name == name) return &binding->value;
    return variables_[name].is_given() ? &variables_[name] : nullptr;
}

void Interpreter::bind(NameId name, const Value& value) {
    for (Binding* binding = scope_->first; binding != nullptr; binding = binding->next)
        if (binding->name == name) {
            binding->value = value;
            return;
        }
    scope_->first = work_.make<Binding>(name, value, scope_->first);
}

Interpreter::Flow Interpreter::run(const std::vector<Statement>& statements) {
    const Workspace::Level level(work_);
    for (const Statement& statement : statements)
        if (const Flow flow = run(statement); flow != Flow::onward) return flow;
    return Flow::onward;
}

Interpreter::Flow Interpreter::run(const Statement& statement) {
    work_.step();
    line_ = statement.line;
    switch (statement.kind) {
        case Statement::text:
            out_->add(statement.value.text());
            break;
        case Statement::print:
            print(*out_, evaluate(statement.expressions[0]));
            break;
        case Statement::if_chain:
            return run_if(statement);
        case Statement::for_loop:
            return run_for(statement);
        case Statement::set:
            assign(statement.expressions[0], evaluate(statement.expressions[1]));
            break;
        case Statement::set_block:
            run_set_block(statement);
            break;
        case Statement::macro:
            bind(statement.signature.name,
                 Value::of(Type::macro,
                           work_.make<MacroValue>(parsed_.names[statement.signature.name],
                                                  &statement, scope_)));
            break;
        case Statement::call_block:
            run_call_block(statement);
            break;
        case Statement::filter_block:
            print(*out_, evaluate_over(statement.expressions[0],
                                       make_string(work_, capture(statement.body, scope_))));
            break;
        case Statement::with:
            run_with(statement);
            break;
        case Statement::scope: {
            Scope* outer = std::exchange(scope_, new_scope(scope_));
            run(statement.body);
            scope_ = outer;
            break;
        }
        case Statement::break_loop:
            return Flow::break_loop;
        case Statement::continue_loop:
            return Flow::continue_loop;
    }
    if (output_.size() > work_.limits().output_bytes)
        throw Failure{fmt::format("the chat template writes more than {} MiB",
                                  work_.limits().output_bytes >> 20)};
    return Flow::onward;
}

Interpreter::Flow Interpreter::run_if(const Statement& statement) {
    const size_t n = statement.expressions.size();
    for (size_t i = 0; i < n; i++)
        if (is_true(evaluate(statement.expressions[i]))) return run(statement.branches[i]);
    return statement.branches.size() > n ? run(statement.branches[n]) : Flow::onward;
}

Interpreter::Flow Interpreter::run_for(const Statement& statement) {
    const Value iterable = evaluate(statement.expressions[1]);
    auto* loop = work_.make<LoopState>();
    loop->statement = &statement;
    loop->outer = scope_;
    loop->items = walk(work_, iterable);
    loop->is_filtered = statement.expressions.size() > 2;
    run_loop(*loop);
    return Flow::onward;
}

void Interpreter::run_loop(LoopState& loop) {
    const Statement& statement = *loop.statement;
    Scope* outer = std::exchange(scope_, loop.outer);
    Flow flow = Flow::onward;
    while (flow != Flow::break_loop && advance(loop)) {
        scope_ = new_scope(loop.outer);
        assign(statement.expressions[0], loop.current);
        if (loop_name_ != nullptr) bind(*loop_name_, Value::of(Type::loop, &loop));
        flow = run(statement.body);
        scope_ = loop.outer;
    }
    if (loop.index0 < 0) {
        scope_ = new_scope(loop.outer);
        run(statement.otherwise);
    }
    scope_ = outer;
}

/// The next of the items that passes the loop's filter. False if there is none.
bool Interpreter::next_item(LoopState& loop, Value& item) {
    while (loop.next < loop.items.size()) {
        work_.step();
        item = loop.items[loop.next++];
        if (!loop.is_filtered) return true;
        Scope* inner = std::exchange(scope_, new_scope(loop.outer));
        assign(loop.statement->expressions[0], item);
        const bool passes = is_true(evaluate(loop.statement->expressions[2]));
        scope_ = inner;
        if (passes) return true;
    }
    return false;
}

bool Interpreter::advance(LoopState& loop) {
    read_ahead(loop);
    if (!loop.after.is_given()) return false;
    loop.previous = loop.current;
    loop.current = std::exchange(loop.after, Value());
    loop.index0++;
    return true;
}

void Interpreter::read_ahead(LoopState& loop) {
    Value item;
    if (!loop.after.is_given() && next_item(loop, item)) loop.after = item;
}

/// A filtered loop has a length only when all of it was looked at.
int64_t Interpreter::length_of_loop(LoopState& loop) {
    if (!loop.is_filtered) return loop.n_looked_at + int64_t(loop.items.size());
    std::vector<Value> rest;
    for (Value item; next_item(loop, item);) rest.push_back(item);
    loop.items = work_.copy(std::span<const Value>(rest));
    loop.next = 0;
    loop.is_filtered = false;
    loop.n_looked_at = loop.index0 + 1 + (loop.after.is_given() ? 1 : 0);
    return loop.n_looked_at + int64_t(rest.size());
}

Value Interpreter::loop_attribute(const Value& value, std::string_view name) {
    auto& loop = value.mutable_<LoopState>();
    if (name == "index") return Value::integer(loop.index0 + 1);
    if (name == "index0") return Value::integer(loop.index0);
    if (name == "first") return Value::boolean(loop.index0 == 0);
    if (name == "depth") return Value::integer(loop.depth0 + 1);
    if (name == "depth0") return Value::integer(loop.depth0);
    if (name == "length") return Value::integer(length_of_loop(loop));
    if (name == "revindex0") return Value::integer(length_of_loop(loop) - loop.index0 - 1);
    if (name == "revindex") return Value::integer(length_of_loop(loop) - loop.index0);
    if (name == "previtem")
        return loop.previous.is_given()
                   ? loop.previous
                   : make_undefined_because(work_, "there is no previous item");
    if (name == "last" || name == "nextitem") {
        read_ahead(loop);
        if (name == "last") return Value::boolean(!loop.after.is_given());
        return loop.after.is_given() ? loop.after
                                     : make_undefined_because(work_, "there is no next item");
    }
    if (const Builtin* method = find_method(value, name))
        return Value::of(Type::method, work_.make<BoundMethod>(value, method));
    return make_undefined_attribute(work_, value, name);
}

Value Interpreter::loop_changed(LoopState& loop, const Value& value) {
    if (loop.changed.is_given() && equals(work_, loop.changed, value)) return Value::boolean(false);
    loop.changed = value;
    return Value::boolean(true);
}

/// loop(items): the loop itself, over other items.
Value Interpreter::recurse(LoopState& loop, Arguments& arguments) {
    if (!loop.statement->is_recursive)
        throw Failure{"The loop must have the 'recursive' marker to be called recursively."};
    if (arguments.positional.size() != 1 || !arguments.keywords.empty())
        throw Failure{"loop() takes one argument"};
    auto* inner = work_.make<LoopState>();
    inner->statement = loop.statement;
    inner->outer = loop.outer;
    inner->items = walk(work_, arguments.positional[0]);
    inner->is_filtered = loop.statement->expressions.size() > 2;
    inner->depth0 = loop.depth0 + 1;
    TextBuilder captured(work_);
    TextBuilder* out = std::exchange(out_, &captured);
    run_loop(*inner);
    out_ = out;
    return make_string(work_, captured.take());
}

void Interpreter::assign(const Expression& target, const Value& value) {
    if (target.kind == Expression::name) return bind(target.name_id, value);
    if (target.kind == Expression::attribute) return set_attribute(target, value);
    const auto items = walk(work_, value);
    if (items.size() != target.parts.size())
        throw Failure{fmt::format("{} values to unpack (expected {}, got {})",
                                  items.size() < target.parts.size() ? "not enough" : "too many",
                                  target.parts.size(), items.size())};
    for (size_t i = 0; i < items.size(); i++) assign(target.parts[i], items[i]);
}

void Interpreter::set_attribute(const Expression& target, const Value& value) {
    const Value object = evaluate(target.parts[0]);
    if (!object.is(Type::name_space))
        throw Failure{"cannot assign attribute on non-namespace object"};
    auto& attributes = object.mutable_<Namespace>().attributes;
    const std::string& name = parsed_.names[target.name_id];
    work_.scan(attributes.size() * sizeof(Member));
    for (Member& member : attributes)
        if (member.key.is_string() && member.key.bytes() == name) {
            member.value = value;
            return;
        }
    std::vector<Member> more(attributes.begin(), attributes.end());
    more.push_back({make_ours(work_, name), value});
    attributes = work_.copy(std::span<const Member>(more));
}

Text Interpreter::capture(const std::vector<Statement>& body, Scope* parent) {
    TextBuilder captured(work_);
    TextBuilder* out = std::exchange(out_, &captured);
    Scope* outer = std::exchange(scope_, new_scope(parent));
    run(body);
    scope_ = outer;
    out_ = out;
    return captured.take();
}

/// Expressions in which `captured` stands for a value.
Value Interpreter::evaluate_over(const Expression& filters, const Value& captured) {
    const Value outer = std::exchange(captured_, captured);
    const Value value = evaluate(filters);
    captured_ = outer;
    return value;
}

void Interpreter::run_set_block(const Statement& statement) {
    const Value text = make_string(work_, capture(statement.body, scope_));
    assign(statement.expressions[0], evaluate_over(statement.expressions[1], text));
}

void Interpreter::run_call_block(const Statement& statement) {
    const Value caller = Value::of(
        Type::macro, work_.make<MacroValue>(std::string_view("caller"), &statement, scope_));
    print(*out_, evaluate_over(statement.expressions[0], caller));
}

void Interpreter::run_with(const Statement& statement) {
    std::vector<Value> values;
    for (size_t i = 1; i < statement.expressions.size(); i += 2)
        values.push_back(evaluate(statement.expressions[i]));
    Scope* outer = std::exchange(scope_, new_scope(scope_));
    for (size_t i = 0; i < values.size(); i++) assign(statement.expressions[2 * i], values[i]);
    run(statement.body);
    scope_ = outer;
}

}  // namespace qwend::jinja
