// An answer's bytes: a stream and a document made of the same tokens say the same, and each says
// what OpenAI's and vLLM's clients expect.

#include "daemon/api/answer_body.h"

#include <doctest/doctest.h>
#include <simdjson.h>

#include <algorithm>
#include <random>

#include "daemon/api/openai/renderers.h"
#include "model/json.h"
#include "tests/unit/daemon/api/demo_text.h"

using namespace qwend;
namespace dom = simdjson::dom;

namespace {

const ModelText& demo() {
    return *demo_text();
}

/// The demo's tokenizer, were it made by a fine-tune that calls the tags of a call special.
const ModelText& with_special_tags() {
    static const ModelText model = [] {
        ModelText made = std::move(*load_demo_text());
        std::string text = read_file("tests/demo-model/tokenizer.json");
        for (const char* tag : {"\"<tool_call>\"", "\"</tool_call>\""}) {
            const size_t at = text.find("\"special\": false", text.find(tag));
            REQUIRE(at != std::string::npos);
            text.replace(at, 16, "\"special\": true ");
        }
        made.tokenizer = Tokenizer::parse(text);
        return made;
    }();
    return model;
}

std::vector<int32_t> ids_of(const std::string& text) {
    return demo().tokenizer.encode_with_added_tokens(text);
}

/// Events that say `text`, token by token, with made-up logprobs; the last has `finish`.
std::vector<TokenEvent> events_of(const std::vector<int32_t>& ids, FinishReason finish,
                                  int n_tops = 0) {
    std::vector<TokenEvent> events;
    for (size_t i = 0; i < ids.size(); i++) {
        TokenEvent event;
        event.sampled.token = ids[i];
        event.sampled.logprob = -0.5f - float(i);
        for (int top = 0; top < n_tops; top++)
            event.sampled.top.push_back({(ids[i] + top * 7) % 6000, -0.25f - float(top)});
        if (i == 0) event.n_cached_tokens = 3;
        if (i + 1 == ids.size()) event.finish = finish;
        events.push_back(event);
    }
    return events;
}

std::string minified(dom::element value) {
    return simdjson::minify(value);
}

/// Everything an answer says, however it was sent.
struct Said {
    struct Choice {
        std::string text, finish_reason = "null", stop_reason = "null", token_ids, prompt_token_ids;
        std::vector<std::pair<std::string, std::string>> calls;  // name, arguments
        std::vector<std::string> logprobs;                       // an entry or a list of each kind
    };
    std::vector<Choice> choices;
    std::string usage = "null", prompt_token_ids;
};

std::string joined(const std::string& list, const std::string& more) {
    const std::string inner = more.substr(1, more.size() - 2);
    return list + (list.empty() || inner.empty() ? "" : ",") + inner;
}

void add_logprobs(Said::Choice& choice, dom::element logprobs) {
    if (logprobs.is_null()) return;
    if (choice.logprobs.empty()) choice.logprobs.resize(4);
    dom::element content;
    if (!logprobs["content"].get(content)) {
        CHECK(logprobs["refusal"].is_null());
        choice.logprobs[0] = joined(choice.logprobs[0], minified(content));
        return;
    }
    size_t i = 0;
    for (const char* kind : {"tokens", "token_logprobs", "top_logprobs", "text_offset"}) {
        choice.logprobs[i] = joined(choice.logprobs[i], minified(logprobs[kind].value()));
        i++;
    }
}

/// The members that a stream's event and a document's choice have in common.
void add_choice(Said::Choice& choice, dom::element json) {
    dom::element member;
    add_logprobs(choice, json["logprobs"].value());
    if (!json["token_ids"].get(member))
        choice.token_ids = joined(choice.token_ids, minified(member));
    if (!json["prompt_token_ids"].get(member)) choice.prompt_token_ids += minified(member);
    if (!json["text"].get(member)) choice.text += member.get_string().value();
    if (!json["finish_reason"].is_null()) {
        choice.finish_reason = json["finish_reason"].get_string().value();
        choice.stop_reason = minified(json["stop_reason"].value());
    }
}

void add_message(Said::Choice& choice, dom::element message) {
    std::string_view text;
    if (!message["content"].get(text)) choice.text += text;
    dom::array calls;
    if (message["tool_calls"].get(calls)) return;
    for (dom::element call : calls) {
        dom::element function = call["function"].value();
        std::string_view name;
        if (!function["name"].get(name)) {
            CHECK(call["id"].get_string().value().starts_with("call_"));
            CHECK(call["type"].get_string().value() == "function");
            choice.calls.push_back({std::string(name), ""});
        }
        choice.calls.back().second += function["arguments"].get_string().value();
    }
}

Said read_stream(const std::string& bytes, int n_choices) {
    Said said;
    said.choices.resize(size_t(n_choices));
    REQUIRE(bytes.ends_with("data: [DONE]\n\n"));
    for (size_t at = 0; !bytes.substr(at).starts_with("data: [DONE]");) {
        const size_t end = bytes.find("\n\n", at);
        REQUIRE(bytes.substr(at, 6) == "data: ");
        dom::parser parser;
        dom::element event, member;
        REQUIRE(parser.parse(bytes.substr(at + 6, end - at - 6)).get(event) == simdjson::SUCCESS);
        const dom::array choices = event["choices"].get_array().value();
        for (dom::element json : choices) {
            Said::Choice& choice = said.choices[size_t(json["index"].get_int64().value())];
            CHECK(choice.finish_reason == "null");
            add_choice(choice, json);
            if (!json["delta"].get(member)) add_message(choice, member);
        }
        if (!event["prompt_token_ids"].get(member)) said.prompt_token_ids += minified(member);
        if (!event["usage"].get(member)) said.usage = minified(member);
        at = end + 2;
    }
    return said;
}

Said read_document(const std::string& bytes) {
    Said said;
    dom::parser parser;
    dom::element document, member;
    CAPTURE(bytes);
    REQUIRE(parser.parse(bytes).get(document) == simdjson::SUCCESS);
    const dom::array choices = document["choices"].get_array().value();
    for (dom::element json : choices) {
        CHECK(size_t(json["index"].get_int64().value()) == said.choices.size());
        Said::Choice& choice = said.choices.emplace_back();
        add_choice(choice, json);
        if (!json["message"].get(member)) {
            CHECK(member["role"].get_string().value() == "assistant");
            CHECK(member["refusal"].is_null());
            add_message(choice, member);
        }
    }
    if (!document["prompt_token_ids"].get(member)) said.prompt_token_ids = minified(member);
    said.usage = minified(document["usage"].value());
    return said;
}

using Events = std::vector<std::vector<TokenEvent>>;  // of each choice

constexpr size_t kMostTaken = 128 << 10;  // bytes, in one turn of the loop

AnswerBody make_body(const ModelText& model, OpenAiRequest request,
                     std::vector<std::vector<int32_t>> prompts) {
    request.generation.whole_calls = !request.style.stream;
    return AnswerBody(model, std::move(request.generation), std::move(prompts),
                      openai_renderer(std::move(request.style)));
}

/// Feeds the events of all choices in random order, and takes the bytes at random times.
std::string bytes_of(const ModelText& model, const OpenAiRequest& request, const Events& events,
                     std::vector<std::vector<int32_t>> prompts) {
    static std::mt19937 random(std::random_device{}());
    AnswerBody body = make_body(model, request, std::move(prompts));
    REQUIRE(size_t(body.choices().size()) == events.size());
    std::vector<size_t> next(events.size());
    std::string out;
    while (!body.choices().done()) {
        const size_t i = random() % events.size();
        if (body.choices().at(int(i)).done()) continue;
        REQUIRE(next[i] < events[i].size());
        body.on_event(int(i), events[i][next[i]++]);
        if (random() % 3 == 0) body.take(out);
    }
    do {
        const size_t before = out.size();
        body.take(out);
        CHECK(out.size() - before <= kMostTaken);
    } while (body.behind());
    return out;
}

Said document_of(const OpenAiRequest& request, const Events& events,
                 const ModelText& model = demo()) {
    const size_t n_prompts = events.size() / size_t(request.generation.n);
    return read_document(
        bytes_of(model, request, events, std::vector<std::vector<int32_t>>(n_prompts, {5, 6, 7})));
}

OpenAiRequest chat_request() {
    OpenAiRequest request;
    request.style.chat = true;
    return request;
}

OpenAiRequest text_request() {
    OpenAiRequest request;
    request.generation.prompts = {Prompt("text")};
    return request;
}

std::string tool_call(const std::string& arguments) {
    return "<tool_call>\n{\"name\": \"f\", \"arguments\": " + arguments + "}\n</tool_call>";
}

/// A call that the end cut is none in a document, where it is text behind the other.
void compare(Said stream, const Said& document) {
    REQUIRE(stream.choices.size() == document.choices.size());
    CHECK(stream.prompt_token_ids == document.prompt_token_ids);
    for (size_t i = 0; i < document.choices.size(); i++) {
        Said::Choice &x = stream.choices[i], y = document.choices[i];
        if (x.calls.size() == y.calls.size() + 1) {
            CHECK(x.finish_reason != "tool_calls");
            REQUIRE(y.text.starts_with(x.text));
            y.text.resize(x.text.size());
            x.calls.pop_back();
        }
        CHECK(x.text == y.text);
        CHECK(x.calls == y.calls);
        CHECK(x.finish_reason == y.finish_reason);
        CHECK(x.stop_reason == y.stop_reason);
        CHECK(x.token_ids == y.token_ids);
        CHECK(x.prompt_token_ids == y.prompt_token_ids);
        CHECK(x.logprobs == y.logprobs);
    }
}

}  // namespace

TEST_CASE("answer_body: a stream says what the document says") {
    std::mt19937 random(std::random_device{}());
    const std::vector<std::string> parts = {"Hello, ",
                                            "你好",
                                            "🙂 ",
                                            "e\u0301",
                                            "\n\n",
                                            " a b",
                                            "<tool_call>",
                                            "</tool_call>",
                                            tool_call("{\"x\": \"你 </tool_call>\"}"),
                                            tool_call("\"{}\""),
                                            tool_call("{\"x\": ["),
                                            "<|im_end|>"};
    const std::vector<FinishReason> ends = {FinishReason::stop, FinishReason::length,
                                            FinishReason::abort};
    for (int round = 0; round < 600; round++) {
        OpenAiRequest request = random() % 2 ? chat_request() : text_request();
        Generation& q = request.generation;
        q.n = 1 + int(random() % 3);
        if (request.style.chat && random() % 2) q.chat_options.tools = {"{}"};
        if (random() % 2) q.sampling.n_logprobs = int(random() % 4);
        if (random() % 3 == 0) q.stops = {"l", "好", "</tool_call>\n"};
        if (random() % 3 == 0) q.stops.push_back("b\n\n");
        q.sampling.min_tokens = random() % 3 ? 0 : int(random() % 10);
        q.include_stop = random() % 2;
        q.skip_special_tokens = random() % 2;
        q.return_token_ids = random() % 2;
        request.style.tokens_as_ids = random() % 4 == 0;
        q.parallel_tool_calls = random() % 4;
        q.echo = !request.style.chat && random() % 2;
        std::vector<std::vector<int32_t>> prompts(request.style.chat ? 1 : 1 + random() % 2,
                                                  {5, 6, 7});
        if (!request.style.chat) q.prompts.resize(prompts.size(), Prompt("\"echo\" \u212B"));
        Events events;
        for (size_t i = 0; i < prompts.size() * size_t(q.n); i++) {
            std::string text;
            for (size_t n = random() % 8; n > 0; n--) text += parts[random() % parts.size()];
            std::vector<int32_t> ids = ids_of(text + ".");
            for (size_t n = random() % 3; n > 0; n--) ids.push_back(int32_t(random() % 256));
            events.push_back(
                events_of(ids, ends[random() % ends.size()], std::max(0, q.sampling.n_logprobs)));
        }
        const auto& model = random() % 3 ? demo() : with_special_tags();
        const Said document = read_document(bytes_of(model, request, events, prompts));
        request.style.stream = true;
        request.style.include_usage = true;
        request.style.continuous_usage = random() % 2;
        const Said stream =
            read_stream(bytes_of(model, request, events, prompts), int(events.size()));
        compare(stream, document);
        CHECK(stream.usage == document.usage);
        for (auto& choice : document.choices) CHECK(choice.finish_reason != "null");
    }
}

TEST_CASE("answer_body: echo is the client's own text") {
    OpenAiRequest request = text_request();
    request.generation.echo = true;
    request.generation.prompts = {Prompt("e\u0301 \u212B"), Prompt("B")};
    const auto events = events_of(ids_of(" x"), FinishReason::length);
    const Said said = document_of(request, {events, events});
    CHECK(said.choices[0].text == "e\u0301 \u212B x");
    CHECK(said.choices[1].text == "B x");
}

TEST_CASE("answer_body: text_offset is a token's place, also while its text is held back") {
    OpenAiRequest request = text_request();
    request.generation.sampling.n_logprobs = 0;
    request.generation.stops = {"你好 world and more"};
    const std::string text = "x 你好 world and 🙂 so";
    const auto ids = ids_of(text);
    const Said said = document_of(request, {events_of(ids, FinishReason::length)});
    std::string expected;
    for (size_t i = 0; i < ids.size(); i++) {
        // Code points of the characters that the tokens before have completed.
        const std::string before = demo().tokenizer.decode(std::span(ids).first(i), false);
        int n = 0;
        for (size_t at = 0; at < before.size(); at++)
            n += (uint8_t(before[at]) & 0xC0) != 0x80 && before.compare(at, 3, "\uFFFD") != 0;
        expected += (i ? "," : "") + std::to_string(n);
    }
    CHECK(said.choices[0].text == text);
    CHECK(said.choices[0].logprobs[3] == expected);
}

TEST_CASE("answer_body: top_logprobs has the sampled token, and every key once") {
    OpenAiRequest request = text_request();
    request.generation.sampling.n_logprobs = 0;
    const int32_t a = ids_of("a")[0];
    auto events = events_of({a}, FinishReason::length);
    CHECK(document_of(request, {events}).choices[0].logprobs[2] == "{\"a\":-0.5}");
    request.generation.sampling.n_logprobs = 3;
    const auto emoji = ids_of("🙂");
    REQUIRE(emoji.size() > 2);
    events[0].sampled.top = {{emoji[0], -0.25f}, {emoji[1], -0.5f}, {emoji[2], -INFINITY}};
    const auto logprobs = document_of(request, {events}).choices[0].logprobs;
    CHECK(logprobs[2].starts_with("{\"bytes:\\\\x"));
    dom::parser parser;
    const dom::object tops = parser.parse(logprobs[2]).get_object().value();
    CHECK(tops.size() == 4);
    CHECK(tops["a"].get_double().value() == -0.5);
    CHECK(logprobs[2].find("-9999") != std::string::npos);
    std::vector<std::string_view> keys;
    for (auto [key, value] : tops) {
        CHECK(std::find(keys.begin(), keys.end(), key) == keys.end());
        keys.push_back(key);
    }
}

TEST_CASE("answer_body: without parallel_tool_calls the first call ends the choice") {
    OpenAiRequest request = chat_request();
    request.generation.chat_options.tools = {"{}"};
    const auto ids = ids_of("a " + tool_call("{\"x\": 1}") + "\n" + tool_call("{}") + " b");
    const Events events = {events_of(ids, FinishReason::length)};
    CHECK(document_of(request, events).choices[0].calls.size() == 2);
    CHECK(document_of(request, events).choices[0].finish_reason == "length");
    request.generation.parallel_tool_calls = false;
    const Said said = document_of(request, events);
    CHECK(said.choices[0].text == "a");
    REQUIRE(said.choices[0].calls.size() == 1);
    CHECK(said.choices[0].calls[0].second == "{\"x\": 1}");
    CHECK(said.choices[0].finish_reason == "tool_calls");
    AnswerBody body = make_body(demo(), request, {{5}});
    size_t n = 0;
    while (!body.on_event(0, events[0][n])) REQUIRE(++n < events[0].size());  // to be cancelled
    CHECK(n < ids.size() / 2);
}

TEST_CASE("answer_body: calls are found where their tags are special tokens") {
    OpenAiRequest request = chat_request();
    const Events events = {
        events_of(ids_of("a " + tool_call("{}") + "<|im_end|>"), FinishReason::length)};
    // Without tools they are special tokens like any other.
    CHECK(document_of(request, events, with_special_tags()).choices[0].text.find("<") ==
          std::string::npos);
    request.generation.chat_options.tools = {"{}"};
    const Said said = document_of(request, events, with_special_tags());
    CHECK(said.choices[0].text == "a");
    CHECK(said.choices[0].calls.size() == 1);
    CHECK(said.choices[0].finish_reason == "length");
}

TEST_CASE("answer_body: usage, cached tokens and prompt ids") {
    OpenAiRequest request = chat_request();
    request.generation.return_token_ids = true;
    const Events events = {events_of(ids_of("a b c"), FinishReason::stop)};
    const Said said = document_of(request, events);
    CHECK(said.usage.find("\"cached_tokens\":3") != std::string::npos);
    CHECK(said.prompt_token_ids == "[5,6,7]");
    CHECK(said.choices[0].prompt_token_ids.empty());
    OpenAiRequest text = text_request();
    text.generation.return_token_ids = true;
    CHECK(document_of(text, events).choices[0].prompt_token_ids == "[5,6,7]");

    request.style.stream = request.style.continuous_usage = true;
    std::string bytes = bytes_of(demo(), request, events, {{5, 6, 7}});
    CHECK(bytes.find("usage") == std::string::npos);
    request.style.include_usage = true;
    bytes = bytes_of(demo(), request, events, {{5, 6, 7}});
    CHECK(bytes.find("\"usage\":null") == std::string::npos);
    request.style.continuous_usage = false;
    bytes = bytes_of(demo(), request, events, {{5, 6, 7}});
    CHECK(bytes.find("\"usage\":null") != std::string::npos);
    CHECK(bytes.find("\"usage\":{") == bytes.rfind("\"usage\":{"));
}

TEST_CASE("answer_body: a document is handed out while it grows") {
    OpenAiRequest request = chat_request();
    request.generation.n = 2;
    request.generation.sampling.n_logprobs = 2;
    const auto events = events_of(ids_of("a b c d e f g h"), FinishReason::length, 2);
    AnswerBody body = make_body(demo(), request, {{5}});
    std::string out;
    size_t largest = 0;
    for (const TokenEvent& event : events) {
        for (int i : {0, 1}) body.on_event(i, event);
        const size_t before = out.size();
        body.take(out);
        if (!body.choices().done()) largest = std::max(largest, out.size() - before);
        if (!body.choices().done()) CHECK(out.size() > before);
    }
    CHECK(largest < 600);
    CHECK(body.n_waiting() == 0);
    CHECK(read_document(out).choices[1].text == "a b c d e f g h");
}

TEST_CASE("answer_body: with a choice abandoned there is no end that looks like one") {
    for (bool stream : {true, false}) {
        OpenAiRequest request = chat_request();
        request.generation.n = 2;
        request.style.stream = stream;
        AnswerBody body = make_body(demo(), request, {{5}});
        const auto events = events_of(ids_of("a b c"), FinishReason::stop);
        for (const TokenEvent& event : events) body.on_event(1, event);
        body.on_event(0, events[0]);
        std::string out;
        body.take(out);
        body.abandon(0);
        CHECK(body.choices().done());
        body.take(out);
        CHECK(out.find("a") != std::string::npos);
        CHECK(out.find("[DONE]") == std::string::npos);
        CHECK(out.find("cancelled") == std::string::npos);
        if (!stream) CHECK(out.find("]}") == std::string::npos);
    }
}

TEST_CASE("answer_body: however long what it repeats of a prompt is, it comes in small parts") {
    OpenAiRequest request = text_request();
    request.generation.n = 8;
    request.generation.echo = request.generation.return_token_ids = true;
    request.generation.prompts = {"first", std::string(100'000, '\x01'), "third"};
    const std::vector<std::vector<int32_t>> prompts = {{5}, std::vector<int32_t>(50'000, 7), {9}};
    Events events;
    for (int i = 0; i < 24; i++) events.push_back(events_of(ids_of("a b c"), FinishReason::length));
    for (const bool stream : {true, false}) {
        request.style.stream = stream;
        const std::string bytes = bytes_of(demo(), request, events, prompts);
        CHECK(bytes.size() > 8 * (6 * 100'000 + 2 * 50'000));
        const Said said = stream ? read_stream(bytes, 24) : read_document(bytes);
        REQUIRE(said.choices.size() == 24);
        for (size_t i = 0; i < 24; i++)
            CHECK(said.choices[i].text ==
                  std::get<std::string>(request.generation.prompts[i / 8]) + "a b c");
    }
}

TEST_CASE("answer_body: a choice that waits for its turn holds no copy of its prompt") {
    OpenAiRequest request = text_request();
    request.generation.echo = true;
    request.generation.prompts = {"first", std::string(100'000, '\x01')};
    AnswerBody body = make_body(demo(), request, {{5}, {7}});
    std::string out;
    for (const TokenEvent& event : events_of(ids_of("a b c"), FinishReason::stop))
        body.on_event(1, event);
    body.take(out);
    CHECK(!body.behind());
    CHECK(body.n_waiting() > 0);
    CHECK(body.n_waiting() < 1000);
}
