// From texts and conversations to ids, and how they are fitted to a model and its context.

#include "daemon/api/prompts.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "tests/unit/daemon/api/token_events.h"

using namespace qwend;

namespace {

using Ids = std::vector<int32_t>;

/// A model whose chats end with one id more.
const ModelText& model() {
    static const ModelText made = [] {
        ModelText text = std::move(*load_demo_text());
        text.eos_token_ids = {6058};
        text.chat_eos_token_ids = {6058, 6060};
        return text;
    }();
    return made;
}

Ids count_to(int n) {
    Ids ids(size_t(n), 0);
    std::iota(ids.begin(), ids.end(), 1);
    return ids;
}

/// What fitting prompts of so many ids comes to.
struct Fitted {
    Generation generation;
    std::vector<Ids> prompts;
    std::optional<ApiError> error;

    Fitted(Generation g, std::vector<int> lengths, int context = 100) : generation(std::move(g)) {
        for (int n : lengths) prompts.push_back(count_to(n));
        if (generation.messages.empty()) generation.prompts.resize(lengths.size(), "text");
        error = fit_generation(model(), context, generation, prompts);
    }
    std::string code() const { return error ? error->code + "/" + error->param : "none"; }
};

Generation wanting(std::optional<int> max_tokens, std::optional<int> truncate = {}) {
    Generation generation;
    generation.max_tokens = max_tokens;
    generation.truncate_prompt_tokens = truncate;
    return generation;
}

}  // namespace

TEST_CASE("prompts: what a template writes is control, what a client writes is text") {
    Generation generation;
    generation.messages = {{"user", "say <|im_end|>", {}}};
    const EncodedPrompts chat = encode_prompts(model(), generation);
    REQUIRE(chat.prompts.size() == 1);
    CHECK(std::count(chat.prompts[0].begin(), chat.prompts[0].end(), 6060) == 2);  // system, user
    generation = {};
    generation.prompts = {std::string("say <|im_end|>"), Ids{7, 6060}};
    const EncodedPrompts texts = encode_prompts(model(), generation);
    REQUIRE(texts.prompts.size() == 2);
    CHECK(texts.prompts[0].back() == 6060);
    CHECK(texts.prompts[1] == Ids{7, 6060});
    generation = {};
    generation.messages = {{"user", "a", {}}};
    generation.chat_options.add_generation_prompt = false;
    generation.chat_options.continue_final_message = true;
    CHECK(model()
              .tokenizer.decode(encode_prompts(model(), generation).prompts[0], false)
              .ends_with("<|im_start|>user\na"));
}

TEST_CASE("prompts: what cannot be rendered is named by its field") {
    ModelText without = std::move(*load_demo_text());
    without.chat_template = {};
    Generation generation;
    generation.messages = {{"user", "a", {}}};
    const EncodedPrompts encoded = encode_prompts(without, generation);
    REQUIRE(encoded.error);
    CHECK(encoded.prompts.empty());
    CHECK(encoded.error->status == 400);
    CHECK(encoded.error->param == "messages");
    CHECK(encoded.error->message.starts_with("messages: "));
}

TEST_CASE("prompts: the last tokens of a prompt are kept") {
    const Fitted fitted(wanting(10, 3), {2, 3, 5});
    CHECK(fitted.code() == "none");
    CHECK(fitted.prompts == std::vector<Ids>{{1, 2}, {1, 2, 3}, {3, 4, 5}});
}

TEST_CASE("prompts: truncated to the context, beside what may be generated") {
    CHECK(Fitted(wanting(30, kToContext), {99}).prompts[0].size() == 70);
    CHECK(Fitted(wanting(30, kToContext), {99}).prompts[0].back() == 99);
    CHECK(Fitted(wanting(30, kToContext), {99}).code() == "none");
    CHECK(Fitted(wanting(30, kToContext), {9}).prompts[0].size() == 9);
    const Fitted open(wanting({}, kToContext), {200});
    CHECK(open.prompts[0].size() == 99);
    CHECK(open.generation.max_tokens == 1);
    // What is wanted leaves the prompt no room: one token is kept, and the request refused.
    const Fitted none(wanting(100, kToContext), {5});
    CHECK(none.prompts[0] == Ids{5});
    CHECK(none.code() == "context_length_exceeded/prompt");
    CHECK(Fitted(wanting(1 << 24, kToContext), {5}).code() == "context_length_exceeded/prompt");
}

TEST_CASE("prompts: what is echoed is the client's text, or that of what is left of it") {
    Generation generation = wanting(5, 2);
    generation.echo = true;
    generation.prompts = {std::string("a \u212B"), std::string("longer"), ids_of("b c")};
    std::vector<Ids> prompts = {{5, 6}, ids_of("a b c"), ids_of("b c")};
    REQUIRE(prompts[1].size() > 2);
    CHECK_FALSE(fit_generation(model(), 100, generation, prompts));
    CHECK(std::get<std::string>(generation.prompts[0]) == "a \u212B");
    CHECK(std::get<std::string>(generation.prompts[1]) == " b c");
    CHECK(std::get<std::string>(generation.prompts[2]) == "b c");
}

TEST_CASE("prompts: one that is empty is refused, under the name its field has") {
    Generation generation = wanting(5);
    generation.prompt_field = "prompt[1]";
    const Fitted fitted(generation, {1, 0});
    REQUIRE(fitted.error);
    CHECK(fitted.error->status == 400);
    CHECK(fitted.error->message == "the prompt is empty");
    CHECK(fitted.code() == "/prompt[1]");
}

TEST_CASE("prompts: what does not fit is refused, with the three numbers it is about") {
    CHECK(Fitted(wanting(40), {60, 5}).code() == "none");
    const Fitted longer(wanting(40), {5, 61});
    CHECK(longer.code() == "context_length_exceeded/prompt");
    CHECK(longer.error->status == 400);
    CHECK(
        longer.error->message ==
        "This model's maximum context length is 100 tokens, and the prompt is too long: it has 61 "
        "tokens, and room for 40 more was asked for");
    CHECK(Fitted(wanting(100), {5}).error->message ==
          "This model's maximum context length is 100 tokens, but after a prompt of 5 tokens room "
          "for 100 more was asked for; ask for fewer");
    CHECK(Fitted(wanting({}), {99}).code() == "none");
    CHECK(Fitted(wanting({}), {100}).code() == "context_length_exceeded/prompt");
}

TEST_CASE("prompts: what is left of the context may be generated, unless less is wanted") {
    CHECK(Fitted(wanting({}), {60, 5}).generation.max_tokens == 40);
    CHECK(Fitted(wanting(7), {60}).generation.max_tokens == 7);
}

TEST_CASE("prompts: a seed is the client's, 0 included, or of nobody's choosing") {
    Generation generation = wanting(1);
    generation.seed = 0;
    CHECK(Fitted(generation, {1}).generation.sampling.seed == 0);
    generation.seed.reset();
    const uint64_t one = Fitted(generation, {1}).generation.sampling.seed;
    CHECK(one != Fitted(generation, {1}).generation.sampling.seed);
}

TEST_CASE(
    "prompts: a text ends as the model does, a chat as its turns too, after the client's ids") {
    Generation generation = wanting(5);
    generation.stop_token_ids = {9};
    CHECK(Fitted(generation, {1}).generation.sampling.stop_token_ids == Ids{9, 6058});
    generation.ignore_eos = true;
    CHECK(Fitted(generation, {1}).generation.sampling.stop_token_ids == Ids{9});
    generation.messages = {{"user", "a", {}}};
    CHECK(Fitted(generation, {1}).generation.sampling.stop_token_ids == Ids{9});
    generation.ignore_eos = false;
    const Fitted chat(generation, {1});
    CHECK(chat.generation.sampling.stop_token_ids == Ids{9, 6058, 6060});
    CHECK(chat.generation.stop_token_ids == Ids{9});  // of which stop_reason speaks
}

TEST_CASE("prompts: ids that all end the answer cannot begin it, the model's own included") {
    Generation generation = wanting(5);
    generation.sampling.allowed_token_ids = {6058, 9};
    generation.sampling.min_tokens = 1;
    CHECK(Fitted(generation, {1}).code() == "none");
    generation.stop_token_ids = {9};
    const Fitted none(generation, {1});
    CHECK(none.code() == "/allowed_token_ids");
    CHECK(none.error->message.find("min_tokens") != std::string::npos);
    generation.ignore_eos = true;
    CHECK(Fitted(generation, {1}).code() == "none");
    generation.ignore_eos = false;
    generation.sampling.min_tokens = 0;
    CHECK(Fitted(generation, {1}).code() == "none");
}

TEST_CASE("prompts: more tokens than fit may be allowed, where they are not asked for") {
    Generation generation = wanting(1000);
    generation.clips_max_tokens = true;
    CHECK(Fitted(generation, {60, 5}).code() == "none");
    CHECK(Fitted(generation, {60, 5}).generation.max_tokens == 40);
    CHECK(Fitted(generation, {99}).generation.max_tokens == 1);
    CHECK(Fitted(generation, {100}).code() == "context_length_exceeded/prompt");
    CHECK(Fitted(generation, {60, 100}).error.value_or(ApiError()).message ==
          "prompt is too long: 100 tokens > 99 maximum");
    generation.max_tokens = 7;
    CHECK(Fitted(generation, {60}).generation.max_tokens == 7);
}

TEST_CASE("prompts: a message that is continued within its reasoning") {
    Generation generation;
    generation.messages = {{"user", "a <think>", {}}, {"assistant", "<think>\nhm", {}}};
    const auto in_reasoning = [&] { return encode_prompts(demo(), generation).end_in_reasoning; };
    CHECK_FALSE(in_reasoning());  // the template closes the turn and opens another
    generation.chat_options.add_generation_prompt = false;
    generation.chat_options.continue_final_message = true;
    CHECK(in_reasoning());
    generation.messages.back().content += "</think> so";
    CHECK_FALSE(in_reasoning());
    generation.messages.pop_back();
    generation.messages[0].content = "what is <think>";
    generation.chat_options.continue_final_message = false;
    CHECK_FALSE(in_reasoning());
}

namespace {

Generation with_gap(std::vector<Prompt> prompts, std::string suffix) {
    Generation generation = wanting(5);
    generation.prompts = std::move(prompts);
    generation.suffix = std::move(suffix);
    return generation;
}

}  // namespace

TEST_CASE("prompts: a gap stands between the tokens for it, and what is around it is text") {
    const Generation generation = with_gap({"a <|im_end|>", ids_of("b"), ""}, "c<|im_end|>");
    const EncodedPrompts encoded = encode_prompts(model(), generation);
    REQUIRE(encoded.prompts.size() == 3);
    std::vector<std::string> texts;
    for (const Ids& ids : encoded.prompts) {
        texts.push_back(model().tokenizer.decode(ids, false));
        CHECK(std::ranges::count(ids, 6060) == 0);
    }
    const std::string after = "<|fim_suffix|>c<|im_end|><|fim_middle|>";
    CHECK(texts == std::vector<std::string>{"<|fim_prefix|>a <|im_end|>" + after,
                                            "<|fim_prefix|>b" + after, "<|fim_prefix|>" + after});
}

TEST_CASE("prompts: what fills a gap ends where padding or another file begins") {
    Generation generation = with_gap({"a"}, "b");
    generation.stop_token_ids = {7};
    std::vector<Ids> prompts = {{5}};
    CHECK_FALSE(fit_generation(model(), 100, generation, prompts));
    CHECK(generation.sampling.stop_token_ids == Ids{7, 6058, 6077, 6078, 6079});
    generation.ignore_eos = true;
    CHECK_FALSE(fit_generation(model(), 100, generation, prompts));
    CHECK(generation.sampling.stop_token_ids == Ids{7});
}

TEST_CASE("prompts: of a prompt with a gap the client's part is echoed") {
    Generation generation = with_gap({"a \u212B", ids_of("b c")}, "d");
    generation.echo = true;
    std::vector<Ids> prompts = encode_prompts(model(), generation).prompts;
    CHECK_FALSE(fit_generation(model(), 100, generation, prompts));
    CHECK(std::get<std::string>(generation.prompts[0]) == "a \u212B");
    CHECK(std::get<std::string>(generation.prompts[1]) == "b c");
}

TEST_CASE("prompts: no gap without its tokens, nor before more than any context holds") {
    const auto untaught = encode_prompts(without_fim(), with_gap({"a"}, "b")).error;
    REQUIRE(untaught);
    CHECK(untaught->param == "suffix");
    CHECK(untaught->message.find("<|fim_prefix|>") != std::string::npos);
    ModelText text = std::move(*load_demo_text());
    text.max_model_len = 4;
    const auto long_one = encode_prompts(text, with_gap({"a"}, "1 2 3 4 5 6")).error;
    REQUIRE(long_one);
    CHECK(long_one->code == "context_length_exceeded");
    CHECK(long_one->message.starts_with("This model's maximum context length is 4 tokens"));
}

TEST_CASE("prompts: bad words of one token are impossible, and those of more are kept apart") {
    constexpr float kImpossible = -std::numeric_limits<float>::infinity();
    const int32_t the = ids_of("the")[0];
    Generation generation = wanting(5);
    generation.bad_words = {"the"};
    generation.sampling.logit_bias = {{the, 50.0f}};
    Fitted single(generation, {5});
    CHECK_FALSE(single.error);
    CHECK_FALSE(single.generation.banned);
    make_distinct(single.generation.sampling);
    CHECK(single.generation.sampling.logit_bias.size() == 2);
    CHECK(single.generation.sampling.logit_bias[0] == std::pair{the, kImpossible});

    generation.sampling.allowed_token_ids = {the};
    const Fitted none(generation, {5});
    CHECK(none.code() == "/allowed_token_ids");

    generation.sampling.allowed_token_ids = {};
    generation.bad_words = {"zqxj"};
    const Fitted several(generation, {5});
    REQUIRE(several.generation.banned);
    CHECK(several.generation.banned->front().size() > 1);
    CHECK(several.generation.sampling.logit_bias.size() == 1);
}
