#include "model/text/jinja/template_parser.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

namespace qwend::jinja {

namespace {

std::string describe(const Token& token) {
    switch (token.kind) {
        case Token::data:
            return "text";
        case Token::variable_begin:
            return "'{{'";
        case Token::variable_end:
            return "'}}'";
        case Token::block_begin:
            return "'{%'";
        case Token::block_end:
            return "'%}'";
        case Token::end:
            return "the end of the template";
        default:
            return fmt::format("'{}'", token.text);
    }
}

}  // namespace

void Parser::fail(std::string_view what) const {
    throw Failure{std::string(what), token().line};
}

void Parser::fail_expected(std::string_view what) const {
    fail(fmt::format("expected {}, found {}", what, describe(token())));
}

void Parser::fail_nesting() const {
    fail(fmt::format("more than {} levels of nesting", kMaxNesting));
}

Token Parser::take() {
    Token taken = std::move(tokens_[at_]);
    if (at_ + 1 < tokens_.size())
        at_++;
    else
        tokens_[at_] = taken;
    return taken;
}

bool Parser::is_any_word(const Words& words) const {
    return token().kind == Token::name &&
           std::find(words.begin(), words.end(), token().text) != words.end();
}

bool Parser::take_op(std::string_view op) {
    const bool found = is_op(op);
    if (found) take();
    return found;
}

bool Parser::take_word(std::string_view word) {
    const bool found = is_word(word);
    if (found) take();
    return found;
}

void Parser::expect_op(std::string_view op) {
    if (!take_op(op)) fail_expected(fmt::format("'{}'", op));
}

void Parser::expect_word(std::string_view word) {
    if (!take_word(word)) fail_expected(fmt::format("'{}'", word));
}

void Parser::expect(Token::Kind kind) {
    if (token().kind != kind) fail_expected(describe({kind, 0, {}}));
    take();
}

std::string Parser::expect_name() {
    if (token().kind != Token::name) fail_expected("a name");
    return take().text;
}

Statement Parser::make_statement(Statement::Kind kind) const {
    Statement statement;
    statement.kind = kind;
    statement.line = token().line;
    return statement;
}

ParsedTemplate Parser::parse() {
    auto statements = parse_statements({});
    if (token().kind != Token::end) fail_expected("the end of the template");
    return {std::move(names_), std::move(statements)};
}

/// Up to a tag that begins with one of `ends`, of which the word is the next token.
std::vector<Statement> Parser::parse_statements(const Words& ends) {
    const Nested nested(*this);
    std::vector<Statement> out;
    while (token().kind != Token::end) {
        if (token().kind != Token::block_begin) {
            parse_text(out);
            continue;
        }
        take();
        if (is_any_word(ends)) return out;
        if (take_word("print"))
            parse_print(out);
        else
            out.push_back(parse_statement());
        expect(Token::block_end);
        if (unknown_) throw *unknown_;
    }
    if (!ends.empty())
        fail(fmt::format("expected '{}', found the end of the template", ends.back()));
    return out;
}

void Parser::parse_text(std::vector<Statement>& out) {
    if (token().kind == Token::data) {
        Statement statement = make_statement(Statement::text);
        statement.value = make_ours(constants_, take().text);
        out.push_back(std::move(statement));
        return;
    }
    Statement statement = make_statement(Statement::print);
    expect(Token::variable_begin);
    statement.expressions.push_back(parse_tuple());
    expect(Token::variable_end);
    if (unknown_) throw *unknown_;
    out.push_back(std::move(statement));
}

void Parser::parse_print(std::vector<Statement>& out) {
    bool is_first = true;
    while (token().kind != Token::block_end) {
        if (!is_first) expect_op(",");
        is_first = false;
        Statement statement = make_statement(Statement::print);
        statement.expressions.push_back(parse_expression());
        out.push_back(std::move(statement));
    }
}

std::vector<Statement> Parser::parse_body(const Words& ends) {
    take_op(":");
    expect(Token::block_end);
    return parse_statements(ends);
}

/// A body whose filters must exist, whatever stands around it.
std::vector<Statement> Parser::parse_scoped_body(const Words& ends) {
    const bool was_guarded = std::exchange(is_guarded_, false);
    auto body = parse_body(ends);
    is_guarded_ = was_guarded;
    return body;
}

Statement Parser::parse_statement() {
    if (token().kind != Token::name) fail_expected("a tag's name");
    const std::string& word = token().text;
    if (word == "if") return parse_if();
    if (word == "for") return parse_for();
    if (word == "set") return parse_set();
    if (word == "macro") return parse_macro();
    if (word == "call") return parse_call_block();
    if (word == "filter") return parse_filter_block();
    if (word == "with") return parse_with();
    if (word == "generation") return parse_generation();
    if (word == "break" || word == "continue") return parse_loop_control();
    for (const char* other : {"include", "import", "from", "extends", "block", "autoescape"})
        if (word == other) fail(fmt::format("the tag '{}' is not supported", word));
    fail(fmt::format("Encountered unknown tag '{}'.", word));
}

Statement Parser::parse_if() {
    Statement statement = make_statement(Statement::if_chain);
    const bool was_guarded = std::exchange(is_guarded_, true);
    take();
    for (bool is_open = true; is_open;) {
        statement.expressions.push_back(parse_tuple(false));
        statement.branches.push_back(parse_body({"elif", "else", "endif"}));
        is_open = is_word("elif");
        if (take().text != "else") continue;
        statement.branches.push_back(parse_body({"endif"}));
        take();
    }
    is_guarded_ = was_guarded;
    return statement;
}

Statement Parser::parse_for() {
    Statement statement = make_statement(Statement::for_loop);
    take();
    n_loops_++;
    statement.expressions.push_back(parse_target("in"));
    expect_word("in");
    statement.expressions.push_back(parse_tuple(false, "recursive"));
    if (take_word("if")) statement.expressions.push_back(parse_expression());
    statement.is_recursive = take_word("recursive");
    statement.body = parse_scoped_body({"endfor", "else"});
    n_loops_--;
    if (take().text == "else") {
        statement.otherwise = parse_scoped_body({"endfor"});
        take();
    }
    return statement;
}

Statement Parser::parse_set() {
    Statement statement = make_statement(Statement::set);
    take();
    statement.expressions.push_back(parse_target({}, true));
    if (take_op("=")) {
        statement.expressions.push_back(parse_tuple());
        return statement;
    }
    statement.kind = Statement::set_block;
    statement.expressions.push_back(parse_filter_chain(false));
    statement.body = parse_scoped_body({"endset"});
    take();
    return statement;
}

void Parser::parse_signature(MacroSignature& signature) {
    expect_op("(");
    while (!is_op(")")) {
        if (!signature.parameters.empty()) expect_op(",");
        signature.parameters.push_back(names_.id_of(expect_name()));
        if (take_op("="))
            signature.defaults.push_back(parse_expression());
        else if (!signature.defaults.empty())
            fail("non-default argument follows default argument");
    }
    expect_op(")");
}

void Parser::parse_macro_body(Statement& statement, std::string_view end) {
    const size_t n_loops = std::exchange(n_loops_, 0);
    macros_.push_back(&statement.signature);
    statement.body = parse_scoped_body({end});
    macros_.pop_back();
    n_loops_ = n_loops;
    take();
}

Statement Parser::parse_macro() {
    Statement statement = make_statement(Statement::macro);
    take();
    statement.signature.name = names_.id_of(expect_name());
    parse_signature(statement.signature);
    parse_macro_body(statement, "endmacro");
    return statement;
}

Statement Parser::parse_call_block() {
    Statement statement = make_statement(Statement::call_block);
    take();
    statement.signature.name = names_.id_of("caller");
    if (is_op("(")) parse_signature(statement.signature);
    statement.expressions.push_back(parse_expression());
    Expression& call = statement.expressions[0];
    if (call.kind != Expression::call) fail("expected call");
    // Its body is handed to what is called as one more keyword argument.
    const auto place = call.parts.end() - call.has_star - call.has_double_star;
    call.parts.insert(place, make(Expression::captured));
    call.keywords.push_back(statement.signature.name);
    parse_macro_body(statement, "endcall");
    return statement;
}

Statement Parser::parse_filter_block() {
    Statement statement = make_statement(Statement::filter_block);
    take();
    statement.expressions.push_back(parse_filter_chain(true));
    statement.body = parse_scoped_body({"endfilter"});
    take();
    return statement;
}

Statement Parser::parse_with() {
    Statement statement = make_statement(Statement::with);
    take();
    while (token().kind != Token::block_end) {
        if (!statement.expressions.empty()) expect_op(",");
        statement.expressions.push_back(parse_target());
        expect_op("=");
        statement.expressions.push_back(parse_expression());
    }
    statement.body = parse_scoped_body({"endwith"});
    take();
    return statement;
}

/// transformers' own tag; it marks what the assistant says, for training, and prints its body.
Statement Parser::parse_generation() {
    Statement statement = make_statement(Statement::scope);
    take();
    const size_t n_loops = std::exchange(n_loops_, 0);
    statement.body = parse_scoped_body({"endgeneration"});
    n_loops_ = n_loops;
    take();
    return statement;
}

Statement Parser::parse_loop_control() {
    Statement statement =
        make_statement(is_word("break") ? Statement::break_loop : Statement::continue_loop);
    if (n_loops_ == 0) fail(fmt::format("'{}' outside loop", token().text));
    take();
    return statement;
}

ParsedTemplate parse_template(std::string_view source, Workspace& constants) {
    return Parser(tokenize(source), constants).parse();
}

}  // namespace qwend::jinja
