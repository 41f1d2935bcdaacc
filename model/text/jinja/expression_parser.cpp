#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "model/text/jinja/builtins.h"
#include "model/text/jinja/template_parser.h"

namespace qwend::jinja {

namespace {

/// An operator of a level, if `token` is one; operators[i] is that of texts[i].
const Operator* find_operator(const Token& token, std::span<const std::string_view> texts,
                              std::span<const Operator> operators) {
    if (token.kind != Token::op) return nullptr;
    const auto at = std::find(texts.begin(), texts.end(), token.text);
    return at == texts.end() ? nullptr : &operators[size_t(at - texts.begin())];
}

Value integer_value(Workspace& constants, std::string_view digits) {
    const char kind = digits.size() > 1 ? char(digits[1] | 0x20) : '\0';
    const int base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
    const std::string_view plain = base == 10 ? digits : digits.substr(2);
    int64_t value = 0;
    const auto [end, error] =
        std::from_chars(plain.data(), plain.data() + plain.size(), value, base);
    if (error == std::errc()) return Value::integer(value);
    if (base != 10) throw Failure{"an integer beyond 64 bits must be decimal"};
    return Value::of(Type::big_integer, constants.make<Text>(make_ours(constants, digits).text()));
}

}  // namespace

Expression Parser::make(Expression::Kind kind, std::vector<Expression> parts) const {
    Expression expression;
    expression.kind = kind;
    expression.line = token().line;
    expression.parts = std::move(parts);
    limit_depth(expression);
    return expression;
}

/// Chains of operators nest without the parser's recursing, but what evaluates them recurses.
void Parser::limit_depth(Expression& expression) const {
    size_t depth = 0;
    for (const Expression& part : expression.parts) depth = std::max<size_t>(depth, part.depth);
    if (depth >= kMaxNesting) fail_nesting();
    expression.depth = uint16_t(depth + 1);
}

Expression Parser::make(Expression::Kind kind, Expression a) const {
    std::vector<Expression> parts;
    parts.push_back(std::move(a));
    return make(kind, std::move(parts));
}

Expression Parser::make(Expression::Kind kind, Expression a, Expression b) const {
    std::vector<Expression> parts;
    parts.push_back(std::move(a));
    parts.push_back(std::move(b));
    return make(kind, std::move(parts));
}

Expression Parser::make_literal(Value value) const {
    Expression expression = make(Expression::literal);
    expression.value = value;
    return expression;
}

Expression Parser::make_name(std::string_view name, bool is_read) {
    Expression expression = make(Expression::name);
    expression.name_id = names_.id_of(name);
    if (is_read)
        for (MacroSignature* macro : macros_) {
            macro->takes_caller |= name == "caller";
            macro->takes_varargs |= name == "varargs";
            macro->takes_kwargs |= name == "kwargs";
        }
    return expression;
}

Expression Parser::parse_expression(bool with_condition) {
    const Nested nested(*this);
    return with_condition ? parse_condition() : parse_or();
}

/// One expression, or several with commas between, which are a tuple.
Expression Parser::parse_tuple(bool with_condition, std::string_view end_word,
                               bool in_parentheses) {
    std::vector<Expression> items;
    bool is_tuple = false;
    for (;;) {
        const Token::Kind kind = token().kind;
        if (kind == Token::variable_end || kind == Token::block_end || is_op(")") ||
            (!end_word.empty() && is_word(end_word)))
            break;
        items.push_back(parse_expression(with_condition));
        if (!take_op(",")) break;
        is_tuple = true;
    }
    if (is_tuple) return make(Expression::tuple, std::move(items));
    if (!items.empty()) return std::move(items[0]);
    if (!in_parentheses) fail_expected("an expression");
    return make(Expression::tuple);
}

Expression Parser::parse_target_item(bool with_namespace) {
    const Nested nested(*this);
    if (take_op("(")) {
        std::vector<Expression> items;
        bool is_tuple = false;
        while (!is_op(")")) {
            items.push_back(parse_target_item(false));
            if (!take_op(",")) break;
            is_tuple = true;
        }
        expect_op(")");
        if (is_tuple || items.empty()) return make(Expression::tuple, std::move(items));
        return std::move(items[0]);
    }
    const std::string name = expect_name();
    for (const char* constant : {"true", "false", "none", "True", "False", "None"})
        if (name == constant) fail(fmt::format("can't assign to '{}'", name));
    if (!with_namespace || !take_op(".")) {
        if (name == "loop" && n_loops_ > 0)
            fail("Can't assign to special loop variable in for-loop target");
        return make_name(name, false);
    }
    Expression target = make(Expression::attribute, make_name(name, true));
    target.name_id = names_.id_of(expect_name());
    return target;
}

/// What is assigned to: a name, an attribute of a namespace, or a tuple of these.
Expression Parser::parse_target(std::string_view end_word, bool with_namespace) {
    std::vector<Expression> items;
    items.push_back(parse_target_item(with_namespace));
    if (!is_op(",")) return std::move(items[0]);
    while (take_op(",")) {
        if (is_op("=") || (!end_word.empty() && is_word(end_word))) break;
        items.push_back(parse_target_item(with_namespace));
    }
    return make(Expression::tuple, std::move(items));
}

Expression Parser::parse_condition() {
    const bool was_unknown = unknown_.has_value();
    Expression then = parse_or();
    while (take_word("if")) {
        const bool was_guarded = std::exchange(is_guarded_, true);
        std::vector<Expression> parts;
        parts.push_back(parse_or());
        parts.push_back(std::move(then));
        parts.push_back(take_word("else") ? parse_expression() : make_literal(Value()));
        then = make(Expression::conditional, std::move(parts));
        is_guarded_ = was_guarded;
        if (!was_unknown) unknown_.reset();
    }
    return then;
}

Expression Parser::parse_or() {
    Expression left = parse_and();
    while (take_word("or")) {
        Expression right = parse_and();
        left = make(Expression::logical_or, std::move(left), std::move(right));
    }
    return left;
}

Expression Parser::parse_and() {
    Expression left = parse_not();
    while (take_word("and")) {
        Expression right = parse_not();
        left = make(Expression::logical_and, std::move(left), std::move(right));
    }
    return left;
}

Expression Parser::parse_not() {
    if (!take_word("not")) return parse_comparison();
    const Nested nested(*this);
    return make(Expression::logical_not, parse_not());
}

Expression Parser::parse_comparison() {
    constexpr std::string_view kTexts[] = {"==", "!=", "<", "<=", ">", ">="};
    constexpr Operator kOperators[] = {Operator::equal,   Operator::not_equal,
                                       Operator::less,    Operator::less_equal,
                                       Operator::greater, Operator::greater_equal};
    std::vector<Expression> parts;
    std::vector<Operator> comparisons;
    parts.push_back(parse_sum());
    for (;;) {
        if (const Operator* op = find_operator(token(), kTexts, kOperators)) {
            take();
            comparisons.push_back(*op);
        } else if (take_word("in")) {
            comparisons.push_back(Operator::in);
        } else if (is_word("not") && next_token().kind == Token::name &&
                   next_token().text == "in") {
            take(), take();
            comparisons.push_back(Operator::not_in);
        } else {
            break;
        }
        parts.push_back(parse_sum());
    }
    if (comparisons.empty()) return std::move(parts[0]);
    Expression comparison = make(Expression::comparison, std::move(parts));
    comparison.comparisons = std::move(comparisons);
    return comparison;
}

Expression Parser::parse_sum() {
    constexpr std::string_view kTexts[] = {"+", "-"};
    constexpr Operator kOperators[] = {Operator::add, Operator::subtract};
    Expression left = parse_concatenation();
    while (const Operator* op = find_operator(token(), kTexts, kOperators)) {
        take();
        Expression right = parse_concatenation();
        left = make(Expression::binary, std::move(left), std::move(right));
        left.op = *op;
    }
    return left;
}

Expression Parser::parse_concatenation() {
    std::vector<Expression> parts;
    parts.push_back(parse_product());
    while (take_op("~")) parts.push_back(parse_product());
    if (parts.size() == 1) return std::move(parts[0]);
    return make(Expression::concatenation, std::move(parts));
}

Expression Parser::parse_product() {
    constexpr std::string_view kTexts[] = {"*", "/", "//", "%"};
    constexpr Operator kOperators[] = {Operator::multiply, Operator::divide, Operator::floor_divide,
                                       Operator::modulo};
    Expression left = parse_power();
    while (const Operator* op = find_operator(token(), kTexts, kOperators)) {
        take();
        Expression right = parse_power();
        left = make(Expression::binary, std::move(left), std::move(right));
        left.op = *op;
    }
    return left;
}

Expression Parser::parse_power() {
    Expression left = parse_unary();
    while (take_op("**")) {
        Expression right = parse_unary();
        left = make(Expression::binary, std::move(left), std::move(right));
        left.op = Operator::power;
    }
    return left;
}

Expression Parser::parse_unary(bool with_filter) {
    const Nested nested(*this);
    const bool is_negation = is_op("-");
    Expression operand;
    if (is_negation || is_op("+")) {
        take();
        operand = make(Expression::unary, parse_unary(false));
        operand.op = is_negation ? Operator::negate : Operator::plus;
    } else {
        operand = parse_primary();
    }
    operand = parse_postfix(std::move(operand));
    return with_filter ? parse_filters_and_tests(std::move(operand)) : std::move(operand);
}

Expression Parser::parse_name() {
    const std::string word = take().text;
    if (word == "true" || word == "True") return make_literal(Value::boolean(true));
    if (word == "false" || word == "False") return make_literal(Value::boolean(false));
    if (word == "none" || word == "None") return make_literal(Value::none());
    return make_name(word, true);
}

Expression Parser::parse_string() {
    std::string text;
    while (token().kind == Token::string) text += take().text;
    return make_literal(make_ours(constants_, text));
}

Expression Parser::parse_primary() {
    switch (token().kind) {
        case Token::name:
            return parse_name();
        case Token::string:
            return parse_string();
        case Token::integer:
            return make_literal(integer_value(constants_, take().text));
        case Token::real:
            return make_literal(Value::real(std::strtod(take().text.c_str(), nullptr)));
        default:
            break;
    }
    if (is_op("[")) return parse_list();
    if (is_op("{")) return parse_dict();
    if (!take_op("(")) fail_expected("an expression");
    Expression inner = parse_tuple(true, {}, true);
    expect_op(")");
    return inner;
}

Expression Parser::parse_list() {
    expect_op("[");
    std::vector<Expression> items;
    while (!is_op("]")) {
        items.push_back(parse_expression());
        if (!is_op("]")) expect_op(",");
    }
    expect_op("]");
    return make(Expression::list, std::move(items));
}

Expression Parser::parse_dict() {
    expect_op("{");
    std::vector<Expression> items;
    while (!is_op("}")) {
        items.push_back(parse_expression());
        expect_op(":");
        items.push_back(parse_expression());
        if (!is_op("}")) expect_op(",");
    }
    expect_op("}");
    return make(Expression::dict, std::move(items));
}

Expression Parser::parse_postfix(Expression operand) {
    for (;;) {
        if (is_op(".") || is_op("["))
            operand = parse_subscript(std::move(operand));
        else if (is_op("("))
            operand = parse_call(std::move(operand));
        else
            return operand;
    }
}

Expression Parser::parse_filters_and_tests(Expression operand) {
    for (;;) {
        if (take_op("|"))
            operand = parse_filter(std::move(operand));
        else if (is_word("is"))
            operand = parse_test(std::move(operand));
        else if (is_op("("))
            operand = parse_call(std::move(operand));
        else
            return operand;
    }
}

Expression Parser::parse_subscript(Expression object) {
    if (take_op("[")) return parse_index(std::move(object));
    expect_op(".");
    if (token().kind == Token::integer) {
        Expression index = make_literal(integer_value(constants_, take().text));
        return make(Expression::subscript, std::move(object), std::move(index));
    }
    if (token().kind != Token::name) fail_expected("a name or a number");
    Expression attribute = make(Expression::attribute, std::move(object));
    attribute.name_id = names_.id_of(take().text);
    return attribute;
}

/// What stands between brackets: an index, or start:stop:step.
Expression Parser::parse_index(Expression object) {
    auto parse_part = [&] {
        return is_op(":") || is_op("]") ? make_literal(Value::none()) : parse_expression();
    };
    if (is_op("]")) fail_expected("an expression");
    std::vector<Expression> parts;
    parts.push_back(std::move(object));
    parts.push_back(parse_part());
    const bool is_slice = is_op(":");
    while (parts.size() < 4 && take_op(":")) parts.push_back(parse_part());
    while (is_slice && parts.size() < 4) parts.push_back(make_literal(Value::none()));
    if (is_op(",")) fail("a subscript of several indices is not supported");
    expect_op("]");
    return make(is_slice ? Expression::slice : Expression::subscript, std::move(parts));
}

/// Fills the parts of a call behind its first.
void Parser::parse_arguments(Expression& call) {
    expect_op("(");
    std::vector<Expression> values, star, double_star;
    while (!is_op(")")) {
        if (take_op("*")) {
            if (!star.empty() || !double_star.empty()) fail("invalid syntax in a call");
            star.push_back(parse_expression());
        } else if (take_op("**")) {
            if (!double_star.empty()) fail("invalid syntax in a call");
            double_star.push_back(parse_expression());
        } else if (token().kind == Token::name && next_token().kind == Token::op &&
                   next_token().text == "=") {
            if (!double_star.empty()) fail("invalid syntax in a call");
            const NameId keyword = names_.id_of(take().text);
            for (const NameId other : call.keywords)
                if (other == keyword) fail("keyword argument repeated");
            call.keywords.push_back(keyword);
            take();
            values.push_back(parse_expression());
        } else {
            if (!call.keywords.empty() || !star.empty() || !double_star.empty())
                fail("invalid syntax in a call");
            call.parts.push_back(parse_expression());
        }
        if (!is_op(")")) expect_op(",");
    }
    expect_op(")");
    call.has_star = !star.empty();
    call.has_double_star = !double_star.empty();
    for (auto* more : {&values, &star, &double_star})
        std::move(more->begin(), more->end(), std::back_inserter(call.parts));
    limit_depth(call);
}

Expression Parser::parse_call(Expression callee) {
    Expression call = make(Expression::call, std::move(callee));
    parse_arguments(call);
    return call;
}

std::string Parser::parse_dotted_name() {
    std::string name = expect_name();
    while (take_op(".")) name += "." + expect_name();
    return name;
}

/// A filter or test that does not exist is an error, unless an `if` may keep it from being reached.
void Parser::set_builtin(Expression& use, const Builtin* builtin, std::string_view what,
                         std::string_view name) {
    use.name_id = names_.id_of(name);
    use.builtin = builtin;
    if (builtin == nullptr && !is_guarded_ && !unknown_)
        unknown_ = Failure{fmt::format("No {} named '{}'.", what, name), token().line};
}

/// From the filter's name on.
Expression Parser::parse_filter(Expression operand) {
    Expression filter = make(Expression::filter, std::move(operand));
    const std::string name = parse_dotted_name();
    set_builtin(filter, find_filter(name), "filter", name);
    if (is_op("(")) parse_arguments(filter);
    return filter;
}

/// Filters over what a block's body wrote; none at all give that itself.
Expression Parser::parse_filter_chain(bool begins_with_name) {
    Expression chain = make(Expression::captured);
    for (bool more = begins_with_name || take_op("|"); more; more = take_op("|"))
        chain = parse_filter(std::move(chain));
    return chain;
}

Expression Parser::parse_test(Expression operand) {
    expect_word("is");
    const bool is_negated = take_word("not");
    Expression test = make(Expression::test, std::move(operand));
    const std::string name = parse_dotted_name();
    set_builtin(test, find_test(name), "test", name);
    const Token::Kind kind = token().kind;
    const bool is_operand = kind == Token::name || kind == Token::string ||
                            kind == Token::integer || kind == Token::real || is_op("[") ||
                            is_op("{");
    if (is_op("(")) {
        parse_arguments(test);
    } else if (is_operand && !is_any_word({"else", "or", "and"})) {
        if (is_word("is")) fail("You cannot chain multiple tests with is");
        test.parts.push_back(parse_postfix(parse_primary()));
        limit_depth(test);
    }
    return is_negated ? make(Expression::logical_not, std::move(test)) : std::move(test);
}

}  // namespace qwend::jinja
