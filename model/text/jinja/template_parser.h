#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/text/jinja/ast.h"
#include "model/text/jinja/template_lexer.h"

namespace qwend::jinja {

/// Blocks and expressions within each other that a template may have.
inline constexpr size_t kMaxNesting = 100;

struct ParsedTemplate {
    Names names;
    std::vector<Statement> statements;
};

/// Parses a template's source; literals lie in `constants`. Throws Failure. Loading other templates
/// (include, import, extends, block) is not supported. Source: Jinja 3's parser.
ParsedTemplate parse_template(std::string_view source, Workspace& constants);

/// The parser of one template: template_parser.cpp has its statements, expression_parser.cpp its
/// expressions.
class Parser {
  public:
    Parser(std::vector<Token> tokens, Workspace& constants)
        : tokens_(std::move(tokens)), constants_(constants) {}
    ParsedTemplate parse();

  private:
    using Words = std::vector<std::string_view>;

    // Statements.
    std::vector<Statement> parse_statements(const Words& ends);
    std::vector<Statement> parse_body(const Words& ends);  // from what ends its opening tag
    void parse_text(std::vector<Statement>& out);
    Statement parse_statement();
    Statement parse_if();
    Statement parse_for();
    Statement parse_set();
    Statement parse_macro();
    Statement parse_call_block();
    Statement parse_filter_block();
    Statement parse_with();
    Statement parse_generation();
    Statement parse_loop_control();
    void parse_print(std::vector<Statement>& out);
    void parse_signature(MacroSignature& signature);
    void parse_macro_body(Statement& statement, std::string_view end);
    std::vector<Statement> parse_scoped_body(const Words& ends);

    // Expressions, from loosest to tightest.
    Expression parse_expression(bool with_condition = true);
    Expression parse_tuple(bool with_condition = true, std::string_view end_word = {},
                           bool in_parentheses = false);
    Expression parse_target(std::string_view end_word = {}, bool with_namespace = false);
    Expression parse_target_item(bool with_namespace);
    Expression parse_condition();
    Expression parse_or();
    Expression parse_and();
    Expression parse_not();
    Expression parse_comparison();
    Expression parse_sum();
    Expression parse_concatenation();
    Expression parse_product();
    Expression parse_power();
    Expression parse_unary(bool with_filter = true);
    Expression parse_primary();
    Expression parse_name();
    Expression parse_string();
    Expression parse_list();
    Expression parse_dict();
    Expression parse_postfix(Expression operand);
    Expression parse_filters_and_tests(Expression operand);
    Expression parse_subscript(Expression object);
    Expression parse_index(Expression object);
    Expression parse_filter(Expression operand);
    Expression parse_filter_chain(bool begins_with_name);
    Expression parse_test(Expression operand);
    void parse_arguments(Expression& call);
    Expression parse_call(Expression callee);
    std::string parse_dotted_name();

    // Tokens.
    const Token& token() const { return tokens_[at_]; }
    const Token& next_token() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
    Token take();
    bool is_op(std::string_view op) const { return is(Token::op, op); }
    bool is_word(std::string_view word) const { return is(Token::name, word); }
    bool is(Token::Kind kind, std::string_view text) const {
        return token().kind == kind && token().text == text;
    }
    bool is_any_word(const Words& words) const;
    bool take_op(std::string_view op);
    bool take_word(std::string_view word);
    void expect_op(std::string_view op);
    void expect_word(std::string_view word);
    void expect(Token::Kind kind);
    std::string expect_name();
    [[noreturn]] void fail(std::string_view what) const;
    [[noreturn]] void fail_expected(std::string_view what) const;

    // Nodes.
    Expression make(Expression::Kind kind, std::vector<Expression> parts = {}) const;
    Expression make(Expression::Kind kind, Expression a) const;
    Expression make(Expression::Kind kind, Expression a, Expression b) const;
    void set_builtin(Expression& use, const Builtin* builtin, std::string_view what,
                     std::string_view name);
    Expression make_literal(Value value) const;
    Expression make_name(std::string_view name, bool is_read);
    Statement make_statement(Statement::Kind kind) const;
    void limit_depth(Expression& expression) const;

    /// Counts the nesting for as long as it lives.
    struct Nested {
        explicit Nested(Parser& parser) : parser(parser) {
            if (++parser.depth_ > kMaxNesting) parser.fail_nesting();
        }
        ~Nested() { parser.depth_--; }
        Parser& parser;
    };
    [[noreturn]] void fail_nesting() const;

    std::vector<Token> tokens_;
    Workspace& constants_;
    Names names_;
    size_t at_ = 0, depth_ = 0;
    size_t n_loops_ = 0;       // around the statement, within its macro
    bool is_guarded_ = false;  // in an `if`: filters that do not exist fail only when reached
    std::optional<Failure> unknown_;       // the first that does not exist and is not guarded
    std::vector<MacroSignature*> macros_;  // around
};

}  // namespace qwend::jinja
