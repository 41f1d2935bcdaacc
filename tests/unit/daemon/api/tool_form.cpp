// What calls and thoughts make of an answer's form, and what becomes of answers that obey it.

#include "daemon/api/tool_form.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "daemon/api/choices.h"
#include "daemon/api/grammar_cache.h"
#include "model/grammar/schema/schema.h"
#include "model/json_document.h"
#include "tests/unit/daemon/api/token_events.h"

using namespace qwend;

namespace {

using Thinking = OutputForm::Thinking;

const std::string kWeather =
    R"({"type":"object","properties":{"city":{"type":"string","minLength":1},
"days":{"type":"integer","minimum":1,"maximum":9},"unit":{"enum":["c","f"]}},
"required":["city","unit"],"additionalProperties":false})";
const std::string kTree =
    R"({"type":"object","properties":{"name":{"type":"string","pattern":"^[a-z]+$"},
"children":{"type":"array","maxItems":2,"items":{"$ref":"#"}}},"required":["name"]})";

const std::string kMixed = R"({"type":"object","properties":{
"zip":{"anyOf":[{"type":"string"},{"type":"null"}]},"n":{"type":["integer","string"],"maximum":3},
"code":{"type":"string","pattern":"^[A-Z]{2}"},"any":{},"short":{"type":"string","maxLength":3},
"tags":{"type":"array","items":{"type":"string"}},"mode":{"enum":["a b",true,7]},
"sub":{"$ref":"#/$defs/sub"}},"required":["zip","n","code","any","short","tags","mode","sub"],
"additionalProperties":false,"$defs":{"sub":{"type":"string","minLength":1}}})";

Generation with_tools(std::optional<bool> strict = true) {
    Generation generation;
    generation.messages = {{"user", "What is the weather?", {}}};
    generation.tools = {{"get_weather", kWeather, strict, "tools[0].function.parameters"},
                        {"plant", kTree, strict, "tools[1].function.parameters"},
                        {"stop", "", {}, "tools[2].function.parameters"}};
    for (const OfferedTool& tool : generation.tools)
        generation.chat_options.tools.push_back(
            fmt::format(R"({{"type":"function","function":{{"name":"{}","parameters":{}}}}})",
                        tool.name, tool.schema.empty() ? "{}" : tool.schema));
    generation.sampling.stop_token_ids = {6060};
    return generation;
}

OutputFormat format(ToolFormat tools, ReasoningFormat reasoning = ReasoningFormat::none) {
    return {reasoning, tools};
}

constexpr ToolFormat kHermes = ToolFormat::hermes, kCoder = ToolFormat::qwen3_coder;

std::optional<OutputForm> form_of(Generation generation, OutputFormat of = format(kHermes),
                                  bool can_mask = true) {
    const auto error = settle_form(of, can_mask, generation);
    CHECK_FALSE(error);
    return generation.form;
}

bool accepts(const std::string& schema, std::string_view text) {
    JsonDocument document;
    if (schema.empty()) return !document.parse(std::string(text)) && document.root().is_object();
    grammar::Automaton automaton(grammar::compile_schema(schema, {}), {});
    return automaton.accepts(automaton.after(automaton.start(), text));
}

/// An answer that a model without any idea might give: each token one of those that may come.
class Walk {
  public:
    Walk(const ModelText& text, Generation generation, uint32_t seed)
        : text_(text), generation_(std::move(generation)), random_(seed) {}

    /// False: it was not over after so many tokens.
    bool run(size_t most = 3000);

    Generation& generation() { return generation_; }
    std::vector<CallPart> calls;
    std::string content, reasoning, raw;

  private:
    int32_t draw(std::span<const uint32_t> mask);

    const ModelText& text_;
    Generation generation_;
    std::mt19937 random_;
    std::string wish_;  // what it tries to write next: a tag is rarely found by chance
};

/// One that may lead to an end, if there is one among a few.
int32_t Walk::draw(std::span<const uint32_t> mask) {
    std::vector<int32_t> allowed;
    for (size_t id = 0; id < mask.size() * 32; id++)
        if (mask[id / 32] >> (id % 32) & 1) allowed.push_back(int32_t(id));
    REQUIRE_FALSE(allowed.empty());
    const Tokenizer& tokenizer = text_.tokenizer;
    auto ends = [&](int32_t id) {
        return tokenizer.is_added(id) ||
               tokenizer.token_bytes(id).find_first_of("\"}]<") != std::string_view::npos;
    };
    if (wish_.empty() && random_() % 30 == 0)
        wish_ =
            std::vector{"</think>", "<tool_call>", "<function=", "\n</parameter>\n"}[random_() % 4];
    for (const int32_t one : allowed) {
        const std::string_view bytes = tokenizer.token_bytes(one);
        if (wish_.empty() || bytes.empty() || !wish_.starts_with(bytes)) continue;
        wish_.erase(0, bytes.size());
        return one;
    }
    wish_.clear();
    int32_t id = allowed[random_() % allowed.size()];
    for (int i = 0; i < 12 && !ends(id); i++) id = allowed[random_() % allowed.size()];
    if (random_() % 4 == 0) {
        std::erase_if(allowed, [&](int32_t one) { return !ends(one); });
        if (!allowed.empty()) id = allowed[random_() % allowed.size()];
    }
    return id;
}

bool Walk::run(size_t most) {
    GrammarCache cache(text_.tokenizer);
    generation_.whole_calls = true;
    REQUIRE_FALSE(settle_form(text_.output_format, true, generation_));
    REQUIRE(generation_.form);
    const auto compiled = cache.compile(*generation_.form, generation_.sampling.stop_token_ids);
    if (const auto* error = std::get_if<FormError>(&compiled)) FAIL(error->message);
    Constraint constraint =
        constrain(std::make_shared<FormedOutput>(FormedOutput{std::get<0>(compiled)}));
    const size_t n_words = size_t(mask_words(text_.tokenizer.size()));
    Choices choices(text_, generation_, {{1}});
    Choice& choice = choices.candidate(0);
    for (size_t n = 0; n < most && !choice.done(); n++) {
        VocabularyMask mask;
        constraint.find_masks({}, std::span(&mask, 1));
        TokenEvent event;
        const int32_t id = event.sampled.token = draw(std::span(mask.words, n_words));
        constraint.accept(id);
        if (id == 6060) event.finish = FinishReason::stop;
        if (id != 6060) raw += text_.tokenizer.decode(std::span(&id, 1), false);
        choice.on_event(event);
    }
    ChoicePart part = choice.take();
    calls = std::move(part.calls), content = part.text, reasoning = part.reasoning;
    if (choice.done() && !calls.empty()) CHECK(choice.finish_name() == "tool_calls");
    return choice.done();
}

/// Those that are to be.
void check_calls(const Walk& walk, const Generation& generation) {
    INFO(walk.raw);
    for (const CallPart& call : walk.calls) {
        const auto tool = std::ranges::find(generation.tools, call.name, &OfferedTool::name);
        REQUIRE(tool != generation.tools.end());
        INFO(call.name << " " << call.arguments);
        CHECK(accepts(tool->schema, call.arguments));
    }
}

}  // namespace

TEST_CASE("tool_form: an answer has none unless it is asked for") {
    CHECK_FALSE(form_of({}));
    CHECK_FALSE(form_of(with_tools(false)));
    CHECK_FALSE(form_of(with_tools({})));
    CHECK_FALSE(form_of(with_tools(true), format(kHermes), false));    // as good as it can be
    CHECK_FALSE(form_of(with_tools(true), format(ToolFormat::none)));  // there are no calls
    const auto form = form_of(with_tools(true));
    REQUIRE(form);
    CHECK(form->kind == OutputForm::Kind::text);
    CHECK(form->field == "tools");
    REQUIRE(form->calls);
    CHECK(form->calls->tools.size() == 3);
    CHECK_FALSE(form->calls->required);
    CHECK_FALSE(form->calls->only_one);
}

TEST_CASE("tool_form: calls that are required, of any tool or of one") {
    Generation any = with_tools({});
    any.calls_required = true;
    const auto form = form_of(any, format(kHermes), false);
    REQUIRE(form);
    CHECK(form->field == "tool_choice");
    CHECK(form->calls->required);
    CHECK_FALSE(form->calls->only_one);
    any.parallel_tool_calls = false;
    CHECK(form_of(any)->calls->only_one);
    any.parallel_tool_calls = true;
    any.called_tool = "plant";
    const auto one = form_of(any);
    CHECK(one->calls->only_one);
    REQUIRE(one->calls->tools.size() == 1);
    CHECK(one->calls->tools[0].name == "plant");
    const auto error = settle_form(format(ToolFormat::none), true, any);
    REQUIRE(error);
    CHECK(error->param == "tool_choice");
    CHECK(error->code == "unsupported_parameter");
}

TEST_CASE("tool_form: beside another form calls may be instead, unless they are required") {
    Generation both = with_tools({});
    both.form = OutputForm{.kind = OutputForm::Kind::json_object, .field = "response_format"};
    auto form = form_of(both);
    CHECK(form->kind == OutputForm::Kind::json_object);
    CHECK(form->calls);
    CHECK(form->field == "response_format");
    CHECK_FALSE(form_of(both, format(ToolFormat::none))->calls);
    both.calls_required = true;
    CHECK(form_of(both)->kind == OutputForm::Kind::text);
    both.tools.clear(), both.calls_required = false;
    CHECK_FALSE(form_of(both)->calls);
}

TEST_CASE("tool_form: thoughts come before it where a chat's model has them") {
    Generation generation = with_tools();
    const OutputFormat thinks = format(kHermes, ReasoningFormat::think);
    CHECK(form_of(generation)->thinking == Thinking::none);
    CHECK(form_of(generation, thinks)->thinking == Thinking::possible);
    generation.begins_in_reasoning = true;
    CHECK(form_of(generation, thinks)->thinking == Thinking::begun);
    Generation text;
    text.prompts = {Prompt("x")};
    text.form = OutputForm{.kind = OutputForm::Kind::json_object};
    CHECK(form_of(text, thinks)->thinking == Thinking::none);
}

TEST_CASE("tool_form: schemas that are too large are refused where they would be obeyed") {
    Generation generation = with_tools();
    generation.tools[2].schema = '{' + std::string(5 << 20, ' ') + '}';
    const auto error = settle_form(format(kHermes), true, generation);
    REQUIRE(error);
    CHECK(error->param == "tools");
    for (OfferedTool& tool : generation.tools) tool.strict.reset();
    generation.form.reset();
    CHECK_FALSE(settle_form(format(kHermes), true, generation));
}

TEST_CASE("tool_form: a tool that cannot be had is named") {
    GrammarCache cache(demo().tokenizer);
    Generation generation = with_tools();
    generation.tools[1].schema = R"({"properties":{"a":{"uniqueItems":true,"type":"array"}}})";
    const auto result = cache.compile(*form_of(generation), {6060});
    REQUIRE(std::holds_alternative<FormError>(result));
    CHECK(std::get<FormError>(result).tool == 1);
    CHECK(std::get<FormError>(result).message.find("\"plant\"") != std::string::npos);
    CHECK(std::get<FormError>(result).message.find("#/properties/a") != std::string::npos);
    generation.tools[1].strict = false;
    CHECK(std::holds_alternative<std::shared_ptr<CompiledForm>>(
        cache.compile(*form_of(generation), {6060})));
}

TEST_CASE("tool_form: a token that stands for a tag cannot be spelled in its place") {
    const Tokenizer& tokenizer = demo().tokenizer;
    Generation generation = with_tools();
    generation.calls_required = true;
    GrammarCache cache(tokenizer);
    const auto compiled = cache.compile(*form_of(generation), {6060});
    Constraint constraint =
        constrain(std::make_shared<FormedOutput>(FormedOutput{std::get<0>(compiled)}));
    VocabularyMask mask;
    constraint.find_masks({}, std::span(&mask, 1));
    std::string first;  // bytes that an answer may begin with
    for (int32_t id = 0; id < tokenizer.size(); id++)
        if (mask.allows(id)) first += tokenizer.token_bytes(id).substr(0, 1);
    CHECK(mask.allows(*tokenizer.added_token_id("<tool_call>")));
    CHECK(first.find_first_not_of('<') == std::string::npos);
}

TEST_CASE("tool_form: whatever is drawn, required calls are calls, and valid") {
    for (uint32_t seed = 0; seed < 12; seed++) {
        const std::optional<bool> stricts[] = {true, false, std::nullopt};
        Generation generation = with_tools(stricts[seed / 2 % 3]);
        generation.calls_required = true;
        generation.parallel_tool_calls = seed % 3 != 0;
        Walk walk(demo(), generation, seed);
        const bool is_over = walk.run();
        check_calls(walk, generation);
        INFO(walk.raw);
        CHECK(walk.content.empty());
        if (!is_over) continue;
        CHECK_FALSE(walk.calls.empty());
        if (seed % 3 == 0) CHECK(walk.calls.size() == 1);
    }
}

TEST_CASE("tool_form: whatever is drawn, calls of Qwen3-Coder's form are as they should be") {
    size_t n_over = 0, n_calls = 0;
    for (uint32_t seed = 0; seed < 32; seed++) {
        Generation generation = with_tools();
        generation.calls_required = seed % 2;
        generation.tools[1] = {"mixed", kMixed, true, "tools[1]"};
        generation.chat_options.tools[1] =
            R"({"type":"function","function":{"name":"mixed","parameters":)" + kMixed + "}}";
        Walk walk(with_reasoning(kCoder), generation, seed);
        const bool is_over = walk.run();
        n_over += is_over, n_calls += walk.calls.size();
        check_calls(walk, generation);
        INFO(walk.raw);
        if (!generation.calls_required) continue;
        CHECK(walk.content.empty());
        if (is_over) CHECK_FALSE(walk.calls.empty());
    }
    CHECK(n_over > 1);
    CHECK(n_calls > 1);
}

TEST_CASE("tool_form: whatever is drawn, calls among text are valid where that was promised") {
    size_t n_calls = 0, n_over = 0;
    for (uint32_t seed = 0; seed < 16; seed++) {
        const Generation generation = with_tools();
        Walk walk(demo(), generation, seed);
        n_over += walk.run();
        n_calls += walk.calls.size();
        check_calls(walk, generation);
    }
    CHECK(n_calls > 3);
    CHECK(n_over > 3);
}

TEST_CASE("tool_form: whatever is drawn, an answer beside calls has its form") {
    size_t n_calls = 0, n_answers = 0;
    for (uint32_t seed = 0; seed < 12; seed++) {
        Generation generation = with_tools();
        generation.form = OutputForm{.text = kWeather};
        Walk walk(demo(), generation, seed);
        if (!walk.run()) continue;
        check_calls(walk, generation);
        INFO(walk.raw);
        walk.calls.empty() ? n_answers++ : n_calls++;
        CHECK((walk.calls.empty() ? accepts(kWeather, walk.content) : walk.content.empty()));
    }
    CHECK(n_calls > 0);
    CHECK(n_answers > 0);
}

TEST_CASE("tool_form: whatever is drawn, thoughts come before what has a form") {
    size_t n_thoughts = 0;
    for (uint32_t seed = 0; seed < 16; seed++) {
        const ModelText& text = with_reasoning(kHermes);
        Generation generation = with_tools();
        generation.begins_in_reasoning = seed % 2;
        if (seed % 4 < 2)
            generation.form = OutputForm{.text = kWeather};
        else
            generation.calls_required = true;
        Walk walk(text, generation, seed);
        if (!walk.run()) continue;
        INFO(walk.raw);
        n_thoughts += !walk.reasoning.empty();
        check_calls(walk, generation);
        CHECK((walk.calls.empty() ? accepts(kWeather, walk.content) : walk.content.empty()));
        if (seed % 4 >= 2) CHECK_FALSE(walk.calls.empty());
    }
    CHECK(n_thoughts > 0);
}
