#include "daemon/api/grammar_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "daemon/api/tool_parameters.h"
#include "daemon/log.h"
#include "model/grammar/compile.h"
#include "model/grammar/grammar_text.h"
#include "model/grammar/left_recursion.h"
#include "model/grammar/schema/branch.h"
#include "model/grammar/schema/schema.h"
#include "model/grammar/tools/calls.h"
#include "model/grammar/tools/structural_tag.h"
#include "model/grammar/tools/thinking.h"
#include "model/json_document.h"
#include "model/utf8.h"

namespace qwend {

namespace {

using namespace grammar;

SchemaOptions schema_options(const OutputForm& form) {
    SchemaOptions options;
    options.whitespace = form.space == OutputForm::Space::none       ? Whitespace::none
                         : form.space == OutputForm::Space::flexible ? Whitespace::flexible
                                                                     : Whitespace::compact;
    options.space_pattern = form.space_pattern;
    options.closed_objects = form.closed_objects;
    return options;
}

std::vector<std::string> strings_of(const std::string& json) {
    JsonDocument document;
    std::vector<std::string> out;
    if (!document.parse(json))
        for (const JsonValue& element : document.root().elements()) element.get(out.emplace_back());
    return out;
}

std::vector<Tag> added_tokens(const Tokenizer& tokenizer) {
    std::vector<Tag> tags;
    for (int32_t id = 0; id < tokenizer.size(); id++)
        if (tokenizer.is_added(id))
            tags.push_back({std::string(tokenizer.token_bytes(id)), special_token_bytes(id)});
    return tags;
}

/// What an answer without calls and thoughts may be.
Grammar compile_answer(const OutputForm& form, const Tokenizer& tokenizer) {
    switch (form.kind) {
        case OutputForm::Kind::text:
            return {};
        case OutputForm::Kind::json_schema:
            return compile_schema(form.text, schema_options(form));
        case OutputForm::Kind::json_object:
            return compile_schema(R"({"type":"object"})", schema_options(form));
        case OutputForm::Kind::regex:
            return compile_regex(form.text);
        case OutputForm::Kind::choice:
            return compile_choice(strings_of(form.text));
        case OutputForm::Kind::grammar:
            return compile_grammar(without_left_recursion(parse_grammar(form.text)));
        case OutputForm::Kind::structural_tag:
            return compile_structural_tag(form.text, schema_options(form), added_tokens(tokenizer));
    }
    throw GrammarError("no such form");
}

Tag tag_of(const Tokenizer& tokenizer, std::string_view text) {
    const auto token = tokenizer.added_token_id(text);
    return {std::string(text), token ? special_token_bytes(*token) : ""};
}

/// As the reader of calls has them, of each parameter that the schema has.
std::map<std::string, uint8_t> read_types(const std::string& schema) {
    constexpr std::pair<unsigned, uint8_t> kSame[] = {
        {kJsonString, types::kString},   {kJsonNumber, types::kNumber},
        {kJsonBoolean, types::kBoolean}, {kJsonNull, types::kNull},
        {kJsonArray, types::kArray},     {kJsonObject, types::kObject}};
    std::map<std::string, uint8_t> out;
    JsonDocument document;
    if (schema.empty() || document.parse(schema)) return out;
    const auto properties = document.root().member("properties");
    if (!properties) return out;
    for (const auto& [name, property] : properties->members()) {
        const unsigned json = types_of_schema(property);
        for (const auto& [from, to] : kSame)
            if (json & from) out[name] |= to;
    }
    return out;
}

CallRules call_rules(const OutputForm& form, const Tokenizer& tokenizer) {
    const OutputForm::Calls& calls = *form.calls;
    CallRules rules;
    for (const OfferedTool& tool : calls.tools) {
        auto arguments = Tool::Arguments::any;
        if (tool.strict.value_or(false))
            arguments = Tool::Arguments::valid;
        else if (calls.required)  // clients that say false want a call that can be used no less
            arguments = Tool::Arguments::valid_if_can;
        rules.tools.push_back({tool.name, tool.schema, arguments});
        if (calls.format == ToolFormat::qwen3_coder)
            rules.tools.back().read_types = read_types(tool.schema);
    }
    if (calls.format == ToolFormat::qwen3_coder) rules.format = CallFormat::qwen3_coder;
    rules.open = tag_of(tokenizer, kCallOpen);
    rules.close = tag_of(tokenizer, kCallClose);
    rules.required = calls.required;
    rules.only_one = calls.only_one;
    if (form.thinking == OutputForm::Thinking::possible) rules.no_beginning = kThinkOpen;
    return rules;
}

Grammar compile_form(const OutputForm& form, const Tokenizer& tokenizer) {
    const bool thinks = form.thinking != OutputForm::Thinking::none;
    if (!form.calls && !thinks) return compile_answer(form, tokenizer);
    Grammar grammar;
    if (!form.calls || !form.calls->required) grammar = compile_answer(form, tokenizer);
    CallRules rules;
    CallNodes calls;
    if (form.calls) {
        rules = call_rules(form, tokenizer);
        calls = add_calls(grammar, rules, grammar.root);
        grammar.root = calls.root;
    }
    if (thinks) {
        const Thinking thinking{tag_of(tokenizer, kThinkOpen), tag_of(tokenizer, kThinkClose),
                                form.thinking == OutputForm::Thinking::begun};
        grammar.root = add_thinking(grammar, thinking, grammar.root);
    }
    grammar.finish();
    check_tools(grammar, rules, calls);
    return grammar;
}

FormError tool_error(const OutputForm& form, const ToolError& error) {
    const OfferedTool& tool = form.calls->tools[error.tool];
    return {fmt::format("of the tool \"{}\": {}", excerpt(tool.name), error.what()), error.tool};
}

}  // namespace

std::shared_ptr<const Vocabulary> GrammarCache::vocabulary() {
    const std::lock_guard lock(vocabulary_mutex_);
    if (!vocabulary_) {
        const auto n = size_t(tokenizer_.size());
        std::vector<std::string_view> bytes(n);
        special_.resize(n);
        for (size_t id = 0; id < n; id++) {
            const bool is_text = !tokenizer_.is_added(int32_t(id));
            if (!is_text) special_[id] = special_token_bytes(int32_t(id));
            bytes[id] = is_text ? tokenizer_.token_bytes(int32_t(id)) : special_[id];
            // Bytes that no text has stand for special tokens, and must not spell one.
            if (is_text && bytes[id].find_first_of("\xFE\xFF") != bytes[id].npos) bytes[id] = {};
        }
        vocabulary_ = std::make_shared<const Vocabulary>(std::move(bytes));
    }
    return vocabulary_;
}

void GrammarCache::prepare() {
    const OutputForm any{.text = R"({"type":"string","maxLength":1})"};
    CompiledForm(compile_form(any, tokenizer_), vocabulary(), common_passages_, {});
}

std::optional<GrammarCache::Result> GrammarCache::find(const OutputForm& form,
                                                       const std::vector<int32_t>& stop_ids) {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(Asked{form, stop_ids});
    if (found == by_key_.end()) return std::nullopt;
    entries_.splice(entries_.begin(), entries_, *found);
    Entry& entry = **found;
    const auto* compiled = std::get_if<0>(&entry.result);
    if (compiled && (*compiled)->n_bytes() > limits_.one_form) {
        forget(*found);
        return std::nullopt;
    }
    count(entry);
    make_room();
    return entry.result;
}

GrammarCache::Result GrammarCache::compile(const OutputForm& form,
                                           const std::vector<int32_t>& stop_ids) {
    if (auto known = find(form, stop_ids)) return *std::move(known);
    if (const std::string_view step = tokenizer_.textless_by(); !step.empty())
        return FormError{
            fmt::format("this model's tokenizer has a decoder with {}, whose tokens have no text "
                        "of their own to keep in a form",
                        step)};
    Entry entry{form, stop_ids, FormError()};
    try {
        entry.result = std::make_shared<CompiledForm>(compile_form(form, tokenizer_), vocabulary(),
                                                      common_passages_, stop_ids);
    } catch (const ToolError& error) {
        entry.result = tool_error(form, error);
    } catch (const GrammarError& error) {
        entry.result = FormError{error.what()};
    }
    const std::lock_guard lock(mutex_);
    if (const auto found = by_key_.find(Asked{form, stop_ids}); found != by_key_.end())
        return (*found)->result;  // somebody was faster
    entries_.push_front(std::move(entry));
    by_key_.insert(entries_.begin());
    count(entries_.front());
    make_room();
    return entries_.front().result;
}

size_t GrammarCache::n_bytes() {
    const std::lock_guard lock(mutex_);
    return n_bytes_;
}

/// What a form has found out grows while answers are written.
void GrammarCache::count(Entry& entry) {
    n_bytes_ -= entry.n_bytes;
    entry.n_bytes = sizeof(Entry) + entry.form.n_bytes();
    if (const auto* compiled = std::get_if<0>(&entry.result))
        entry.n_bytes += (*compiled)->n_bytes();
    else
        entry.n_bytes += std::get<1>(entry.result).message.size();
    n_bytes_ += entry.n_bytes;
}

void GrammarCache::forget(Place entry) {
    n_bytes_ -= entry->n_bytes;
    by_key_.erase(entry);
    entries_.erase(entry);
}

void GrammarCache::make_room() {
    while (n_bytes_ > limits_.all && entries_.size() > 1) forget(std::prev(entries_.end()));
}

}  // namespace qwend
