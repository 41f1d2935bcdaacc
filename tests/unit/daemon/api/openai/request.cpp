// The dialect: what is accepted, what is refused with which field, what is written.

#include "daemon/api/openai/request.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <simdjson.h>

#include <ctime>

#include "daemon/api/json_writer.h"
#include "daemon/api/openai/error.h"
#include "tests/unit/daemon/api/openai/one_model.h"

using namespace qwend;

namespace {

constexpr RequestLimits kLimits{8, 1000};

std::optional<ApiError> chat_error(const std::string& fields) {
    OpenAiRequest request;
    return parse_chat_request(
        "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]" + fields + "}", {}, kLimits,
        request);
}

std::string param_of(const std::optional<ApiError>& error) {
    return error ? error->param : "none";
}

}  // namespace

TEST_CASE("openai: a request with everything in it") {
    OpenAiRequest q;
    GenerationDefaults defaults;
    defaults.temperature = 0.7f;
    defaults.top_k = 20;
    const auto error = parse_chat_request(
        R"({"model":"m","messages":[{"role":"developer","content":[{"type":"text","text":"a"},)"
        R"({"type":"text","text":"b"}]},{"role":"assistant","content":null,"tool_calls":[)"
        R"({"id":"1","function":{"name":"f","arguments":"{\"x\":1}"}}]},{"role":"tool",)"
        R"("tool_call_id":"1","content":"ok"}],"max_tokens":5.0,"top_p":0.5,"n":2,"seed":-3,)"
        R"("stop":["a","b"],"stop_token_ids":[7],"logit_bias":{"12":-5},"logprobs":true,)"
        R"("top_logprobs":3,"stream":true,"stream_options":{"include_usage":true},"user":null,)"
        R"("made_up":1,"response_format":{"type":"text"},"top_k":-1,"min_tokens":2,)"
        R"("ignore_eos":true,"frequency_penalty":1,"temperature":null})",
        defaults, kLimits, q);
    REQUIRE_FALSE(error);
    CHECK(q.style.model == "m");
    REQUIRE(q.generation.messages.size() == 3);
    CHECK(q.generation.messages[0].role == "developer");
    CHECK(q.generation.messages[0].content == "ab");
    CHECK(q.generation.messages[1].tool_calls[0].arguments == "{\"x\":1}");
    CHECK(*q.generation.max_tokens == 5);
    CHECK(q.generation.sampling.temperature == 0.7f);
    CHECK(q.generation.sampling.top_k == 0);
    CHECK(q.generation.sampling.top_p == 0.5f);
    CHECK(q.generation.n == 2);
    CHECK(*q.generation.seed == uint64_t(-3));
    CHECK(q.generation.stops == std::vector<std::string>{"a", "b"});
    CHECK(q.generation.sampling.logit_bias[0] == std::pair<int32_t, float>{12, -5.0f});
    CHECK(q.generation.sampling.n_logprobs == 3);
    CHECK(q.style.include_usage);
    CHECK(q.n_unknown_fields == 1);
}

TEST_CASE("openai: prompts in all four forms") {
    auto parse = [](const char* prompt, OpenAiRequest& q) {
        return parse_completion_request(fmt::format(R"({{"prompt":{}}})", prompt), {}, kLimits, q);
    };
    OpenAiRequest a, b, c, d, e, f, g;
    REQUIRE_FALSE(parse("\"hi\"", a));
    CHECK(std::get<std::string>(a.generation.prompts[0]) == "hi");
    REQUIRE_FALSE(parse("[\"x\",\"y\"]", b));
    CHECK(b.generation.prompts.size() == 2);
    REQUIRE_FALSE(parse("[1,2,3]", c));
    CHECK(std::get<1>(c.generation.prompts[0]) == std::vector<int32_t>{1, 2, 3});
    REQUIRE_FALSE(parse("[[1],[2,3]]", d));
    CHECK(std::get<1>(d.generation.prompts[1]) == std::vector<int32_t>{2, 3});
    CHECK(param_of(parse("[1,1000]", e)) == "prompt[1]");
    CHECK(param_of(parse("[1,2,-1]", e)) == "prompt[2]");
    CHECK(param_of(parse("[[1],[2,2.5]]", g)) == "prompt[1][1]");
    REQUIRE_FALSE(parse("[1,2.0]", f));  // of clients that have one number type
    CHECK(std::get<1>(f.generation.prompts[0]) == std::vector<int32_t>{1, 2});
    CHECK(param_of(parse("[]", e)) == "prompt");
    CHECK(param_of(parse("7", e)) == "prompt");
}

TEST_CASE("openai: a prompt that is empty is named, with what to send instead") {
    struct Case {
        const char *prompt, *param;
    };
    for (auto& c : std::vector<Case>{{R"("")", "prompt"},
                                     {"[]", "prompt"},
                                     {"[[]]", "prompt[0]"},
                                     {R"([""])", "prompt[0]"},
                                     {R"(["a",""])", "prompt[1]"},
                                     {"[[1],[2],[]]", "prompt[2]"}}) {
        CAPTURE(c.prompt);
        OpenAiRequest q;
        const std::string body = fmt::format(R"({{"prompt":{}}})", c.prompt);
        const auto error = parse_completion_request(body, {}, kLimits, q);
        REQUIRE(error);
        CHECK(error->param == c.param);
        CHECK(error->message.starts_with(error->param + ": expected text or token ids"));
        CHECK(error->message.find("send \"<|endoftext|>\"") != std::string::npos);
    }
    OpenAiRequest q;  // no tokens are an answer like any other
    CHECK_FALSE(parse_tokenize_request(R"({"prompt":""})", kLimits, q));
}

TEST_CASE("openai: what is wrong is named by its path") {
    struct Case {
        const char *fields, *param;
    };
    for (auto& c :
         std::vector<Case>{{R"(,"temperature":"hot")", "temperature"},
                           {R"(,"temperature":-1)", "temperature"},
                           {R"(,"top_p":-0.1)", "top_p"},
                           {R"(,"top_p":1.5)", "top_p"},
                           {R"(,"n":0)", "n"},
                           {R"(,"n":9)", "n"},
                           {R"(,"n":1.5)", "n"},
                           {R"(,"max_tokens":0)", "max_tokens"},
                           {R"(,"stream":1)", "stream"},
                           {R"(,"stop":"")", "stop"},
                           {R"(,"stop":["a",1])", "stop[1]"},
                           {R"(,"stop_token_ids":[1000])", "stop_token_ids[0]"},
                           {R"(,"logit_bias":{"x":1})", "logit_bias.x"},
                           {R"(,"logit_bias":{"1":101})", "logit_bias.1"},
                           {R"(,"top_logprobs":21)", "top_logprobs"},
                           {R"(,"top_logprobs":2)", "top_logprobs"},
                           {R"(,"stream_options":{"include_usage":true})", "stream_options"},
                           {R"(,"min_tokens":5,"max_tokens":4)", "min_tokens"},
                           {R"(,"tools":[{"type":"function"}])", "tools[0]"},
                           {R"(,"tools":[{"type":"custom","custom":{"name":"f"}}])", "tools[0]"},
                           {R"(,"tool_choice":"required")", "tool_choice"},
                           {R"(,"response_format":{"type":"xml"})", "response_format.type"},
                           {R"(,"prompt_logprobs":-1)", "prompt_logprobs"},
                           {R"(,"prompt_logprobs":1,"stream":true)", "prompt_logprobs"},
                           {R"(,"echo":true)", "echo"},
                           {R"(,"bad_words":"x")", "bad_words"},
                           {R"(,"chat_template":"x")", "chat_template"},
                           {R"(,"structured_outputs":{"json":5})", "structured_outputs.json"},
                           {R"(,"request_id":"")", "request_id"},
                           {R"(,"request_id":"a b")", "request_id"},
                           {R"(,"priority":1)", "priority"},
                           {R"(,"seed":18446744073709551616)", "seed"},
                           {R"(,"temperature":1e400)", "temperature"},
                           {R"(,"max_tokens":1e400)", "max_tokens"},
                           {R"(,"tools":[{"function":{"name":"f"}},3])", "tools[1]"},
                           {R"(,"add_generation_prompt":true,"continue_final_message":true)",
                            "continue_final_message"},
                           {R"(,"n":1,"n":2)", "n"}}) {
        CAPTURE(c.fields);
        const auto error = chat_error(c.fields);
        REQUIRE(error);
        CHECK(error->param == c.param);
        CHECK(error->status == 400);
    }
    OpenAiRequest q;
    auto chat = [&](const char* body) {
        return param_of(parse_chat_request(body, {}, kLimits, q));
    };
    CHECK(chat("{}") == "messages");
    CHECK(chat(R"({"messages":[]})") == "messages");
    CHECK(chat(R"({"messages":[{"content":"x"}]})") == "messages[0].role");
    CHECK(chat(R"({"messages":[{"role":"user"}]})") == "messages[0].content");
    CHECK(chat(R"({"messages":[{"role":"user","content":[{"type":"image_url"}]}]})") ==
          "messages[0].content[0].type");
}

TEST_CASE("openai: malformed JSON is refused with the byte") {
    auto message = [](const std::string& body) {
        OpenAiRequest q;
        const auto error = parse_completion_request(body, {}, kLimits, q);
        return error ? error->message : "accepted";
    };
    CHECK(message("{\"prompt\":\"x\",}").starts_with("malformed JSON at byte 14"));
    CHECK(message("{\"prompt\" \"x\"}").starts_with("malformed JSON at byte 10"));
    CHECK(message("") == "expected a JSON object, found an empty body");
    CHECK(message("[]") == "expected a JSON object");
    CHECK(message("{} x").starts_with("malformed JSON at byte 3"));
    CHECK(message("{\"prompt\":\"\xFF\"}") == "malformed JSON at byte 11: not UTF-8");
    CHECK(message("{\"prompt\":" + std::string(100, '[') + "]}").starts_with("malformed JSON"));
    CHECK(message("\xEF\xBB\xBF{\"prompt\":\"x\"}") == "accepted");
    CHECK(message("\xEF\xBB\xBF{\"prompt\":x}").starts_with("malformed JSON at byte 13"));
    CHECK(message(std::string("{\0\"\0", 4)).find("UTF-16") != std::string::npos);
    CHECK(message("\xFE\xFF").find("UTF-16") != std::string::npos);
    CHECK(message("\x1F\x8B\x08").find("gzip") != std::string::npos);
}

TEST_CASE("openai: numbers and depths that no DOM holds are not malformed") {
    auto message = [](const std::string& body) {
        OpenAiRequest q;
        const auto error = parse_completion_request(body, {}, kLimits, q);
        return error ? error->message : "accepted";
    };
    CHECK(message(R"({"prompt":"x","seed":18446744073709551616})") ==
          "seed: expected an integer from -9223372036854775808 to 9223372036854775807, found "
          "18446744073709551616");
    CHECK(message(R"({"prompt":"x","top_p":1e999})").starts_with("top_p: expected a number"));
    CHECK(message(R"({"prompt":"x","made_up":[-1e999,99999999999999999999]})") == "accepted");
    const std::string deep = std::string(100, '[') + std::string(100, ']');
    CHECK(message("{\"prompt\":\"x\",\"made_up\":" + deep + "}") == "accepted");
    CHECK(message("{\"prompt\":\"x\",\"made_up\":" + std::string(300, '[')) ==
          "nested deeper than 256 levels at byte 279");
}

TEST_CASE("openai: a tool's schema is carried as it was written") {
    OpenAiRequest q;
    const std::string deep = std::string(100, '[') + std::string(100, ']');
    const std::string tool =
        R"({"type":"function", "function":{"name":"f","parameters":{"type":"object","properties":)"
        R"({"n":{"type":"integer","maximum":18446744073709551616,"minimum":-1e400}},"examples":)" +
        deep + "}}}";
    REQUIRE_FALSE(parse_chat_request(
        R"({"messages":[{"role":"user","content":"x"}],"tools":[)" + tool + "]}", {}, kLimits, q));
    CHECK(q.generation.chat_options.tools == std::vector<std::string>{tool});
}

TEST_CASE("openai: tools that a provider's servers run are left out") {
    OpenAiRequest q;
    REQUIRE_FALSE(parse_chat_request(
        R"({"messages":[{"role":"user","content":"x"}],"tools":[{"type":"web_search_20250305",)"
        R"("name":"web_search"},{"type":"function","function":{"name":"f"}}],"tool_choice":)"
        R"({"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function",)"
        R"("function":{"name":"f"}}]}}})",
        {}, kLimits, q));
    CHECK(q.generation.chat_options.tools ==
          std::vector<std::string>{R"({"type":"function","function":{"name":"f"}})"});
}

TEST_CASE("openai: a key given twice is refused wherever it is") {
    auto param = [](const std::string& body) {
        OpenAiRequest q;
        return param_of(parse_chat_request(body, {}, kLimits, q));
    };
    CHECK(param(R"({"n":1,"messages":[{"role":"user","role":"system","content":"x"}]})") ==
          "messages[0].role");
    CHECK(param(R"({"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function",)"
                R"("function":{"name":"f","parameters":{"a":1,"a":2}}}]})") ==
          "tools[0].function.parameters.a");
    const std::string key(100000, 'k');
    CHECK(param("{\"" + key + "\":1,\"" + key + "\":2}").size() < 200);
}

TEST_CASE("openai: the newer limit wins, one call at a time, an id of a client's") {
    OpenAiRequest q;
    std::string body = R"({"messages":[{"role":"user","content":"x"}],"max_completion_tokens":5,)"
                       R"("max_tokens":9,"parallel_tool_calls":false,"request_id":")" +
                       std::string(128, 'r') + R"(","priority":-3,"logit_bias":{"1":2,"01":3}})";
    RequestLimits limits = kLimits;
    limits.allow_priority = true;
    REQUIRE_FALSE(parse_chat_request(body, {}, limits, q));
    CHECK(*q.generation.max_tokens == 5);
    CHECK_FALSE(q.generation.parallel_tool_calls);
    CHECK(q.style.request_id.size() == 128);
    CHECK(q.generation.priority == -3);
    CHECK(q.generation.sampling.logit_bias == std::vector<std::pair<int32_t, float>>{{1, 3.0f}});
    CHECK(param_of(chat_error(R"(,"request_id":")" + std::string(129, 'r') + "\"")) ==
          "request_id");
    CHECK(param_of(chat_error(R"(,"cache_salt":")" + std::string(2000, 's') + "\"")) ==
          "cache_salt");
}

TEST_CASE("openai: a model that is not served is not found, on every route") {
    const std::vector<std::string> names = {"one", "two"};
    RequestLimits limits = kLimits;
    limits.models = names;
    OpenAiRequest chat, text, tokenize;
    std::vector<int32_t> tokens;
    auto check = [&](const std::string& model, int status) {
        CAPTURE(model.substr(0, 20));
        const std::string m = ",\"model\":\"" + model + "\"}";
        for (auto& error : std::vector<std::optional<ApiError>>{
                 parse_chat_request(R"({"messages":[{"role":"user","content":"x"}])" + m, {},
                                    limits, chat),
                 parse_completion_request(R"({"prompt":"x")" + m, {}, limits, text),
                 parse_tokenize_request(R"({"prompt":"x")" + m, limits, tokenize),
                 parse_detokenize_request(R"({"tokens":[1])" + m, limits, tokens)}) {
            CHECK((error ? error->status : 200) == status);
            if (error) CHECK(error->code == "model_not_found");
            if (error) CHECK(error->message.size() < 200);
        }
        text = tokenize = {};
    };
    check("one", 200);
    check("two", 200);
    check("", 200);
    check("three", 404);
    check(std::string(100000, 'm'), 404);
}

TEST_CASE("openai: what a client sent is repeated in part, between two characters") {
    CHECK(excerpt("short") == "short");
    CHECK(excerpt("abcdef", 4) == "abcd…");
    CHECK(excerpt("abé", 3) == "ab…");
    CHECK(excerpt("aé", 3) == "aé");
    CHECK(excerpt("", 0) == "");
    // Whatever is long in a request, the error is not.
    const std::string big(1 << 20, 'q');
    for (const auto& body : std::vector<std::string>{
             "{\"prompt\":\"x\",\"temperature\":\"" + big + "\"}",
             "{\"prompt\":\"x\",\"logit_bias\":{\"" + big + "\":1}}",
             "{\"prompt\":\"x\",\"stop\":{\"" + big + "\":1}}", "{\"prompt\":" + big + "}",
             "{\"prompt\":\"x\",\"seed\":1" + std::string(1 << 20, '0') + "}",
             "{\"prompt\":\"x\",\"request_id\":\"" + big + "\"}"}) {
        OpenAiRequest q;
        const auto error = parse_completion_request(body, {}, kLimits, q);
        REQUIRE(error);
        CHECK(render_openai_error(*error).size() < 1000);
    }
}

TEST_CASE("openai: the largest bodies take time in proportion, whatever their shape") {
    struct Shape {
        std::string begin, piece, end;  // '#' in a piece is a number of its own each time
    };
    constexpr size_t kLargest = 8u << 20;  // bytes
    // s of CPU, under a sanitizer too; what is quadratic takes hours.
    constexpr double kPatience = 400;
    for (auto& shape : std::vector<Shape>{
             {R"({"prompt":"x")", R"(,"k#":[{}])", "}"},
             {R"({"prompt":"x","logit_bias":{"0":1)", R"(,"#":1)", "}}"},
             {R"({"messages":[{"role":"user","content":[")", R"(","a#)", R"("]}]})"},
             {R"({"messages":[{"role":"user","content":""})", R"(,{"role":"tool"})", "]}"},
             {R"({"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f")",
              R"(,"k#":0)", "}}]}]}"},
             {R"({"messages":[{"role":"user","content":""}],"tools":[{"function":{"name":"f")",
              R"(,"k#":{"maximum":1e999})", "}}]}"},
             {R"({"messages":[{"role":"user","content":"x",")", "k", "\":1}]}"},
             {R"({"prompt":[0)", ",0", "]}"},
             {R"({"prompt":"x","stop":[")", "\\\\", "\"]}"},
             {R"({"prompt":"x","seed":1)", "0", "}"},
             {R"({"prompt":")", "\\ud83d", "\"}"},
             {"", "[", ""}}) {
        CAPTURE(shape.begin);
        std::string body = shape.begin;
        for (int i = 0; body.size() + shape.piece.size() + shape.end.size() + 8 < kLargest; i++)
            for (char c : shape.piece) c == '#' ? body += fmt::to_string(i) : body += c;
        body += shape.end;
        const std::clock_t began = std::clock();
        OpenAiRequest chat, text;
        std::vector<int32_t> tokens;
        (void)parse_chat_request(body, {}, kLimits, chat);
        (void)parse_completion_request(body, {}, kLimits, text);
        (void)parse_detokenize_request(body, kLimits, tokens);
        CHECK(double(std::clock() - began) / CLOCKS_PER_SEC < kPatience);
    }
}

TEST_CASE("openai: best_of is at least n, not streamed, and counts where choices are limited") {
    const auto parse = [](const std::string& fields, OpenAiRequest& q) {
        return parse_completion_request(R"({"prompt":["a","b"],)" + fields + "}", {}, kLimits, q);
    };
    OpenAiRequest q;
    CHECK_FALSE(parse(R"("n":2,"best_of":4)", q));
    CHECK(q.generation.best_of == 4);
    CHECK(q.generation.sampling.n_logprobs == -1);
    for (auto [fields, param] : {std::pair{R"("n":2,"best_of":1)", "best_of"},
                                 {R"("n":2,"best_of":5)", "best_of"},
                                 {R"("n":5,"best_of":5)", "n"},
                                 {R"("best_of":2,"stream":true)", "best_of"},
                                 {R"("best_of":0)", "best_of"},
                                 {R"("best_of":9)", "best_of"},
                                 {R"("n":2,"best_of":2,"stream":true)", "none"}}) {
        CAPTURE(fields);
        OpenAiRequest other;
        CHECK(param_of(parse(fields, other)) == param);
    }
}

TEST_CASE("openai: before a suffix a prompt may be empty, and none is truncated") {
    const auto parse = [](const std::string& fields, OpenAiRequest& q) {
        return parse_completion_request("{" + fields + "}", {}, kLimits, q);
    };
    OpenAiRequest q;
    CHECK_FALSE(parse(R"("prompt":["",[1]],"suffix":"b")", q));
    CHECK(q.generation.suffix == "b");
    CHECK(q.generation.prompts.size() == 2);
    for (auto [fields, param] :
         {std::pair{R"("suffix":"b")", "prompt"},
          {R"("prompt":"","suffix":"")", "prompt"},
          {R"("prompt":"a","suffix":5)", "suffix"},
          {R"("prompt":"a","suffix":"b","truncate_prompt_tokens":5)", "truncate_prompt_tokens"},
          {R"("prompt":"a","suffix":"","truncate_prompt_tokens":5)", "none"}}) {
        CAPTURE(fields);
        OpenAiRequest other;
        CHECK(param_of(parse(fields, other)) == param);
    }
}

TEST_CASE("openai: bad_words are a list of so many, each of so many bytes") {
    const auto parse = [](const std::string& words, OpenAiRequest& q) {
        return parse_completion_request(R"({"prompt":"a","bad_words":)" + words + "}", {}, kLimits,
                                        q);
    };
    const auto list_of = [](int n) {
        std::string words = "[\"a\"";
        for (int i = 1; i < n; i++) words += ",\"a\"";
        return words + "]";
    };
    OpenAiRequest q;
    CHECK_FALSE(parse(R"(["a"," b"])", q));
    CHECK(q.generation.bad_words == std::vector<std::string>{"a", " b"});
    const auto chars = [](int n) { return "[\"a\",\"" + std::string(size_t(n), 'x') + "\"]"; };
    for (auto [words, param] : {std::pair<std::string, const char*>{"null", "none"},
                                {"[]", "none"},
                                {"\"a\"", "bad_words"},
                                {"[5]", "bad_words[0]"},
                                {R"(["a",""])", "bad_words[1]"},
                                {R"(["  "])", "bad_words[0]"},
                                {chars(128), "none"},
                                {chars(129), "bad_words[1]"},
                                {list_of(256), "none"},
                                {list_of(257), "bad_words"}}) {
        CAPTURE(words);
        OpenAiRequest other;
        CHECK(param_of(parse(words, other)) == param);
    }
}

TEST_CASE("openai: what is said of a prompt: the most that prompt_logprobs and an echo need") {
    struct Case {
        const char* fields;
        int n_prompt_logprobs, prompt_logprobs;
    };
    for (const Case& c :
         std::vector<Case>{{"", -1, -1},
                           {R"(,"logprobs":3)", -1, -1},
                           {R"(,"echo":true)", -1, -1},
                           {R"(,"echo":true,"logprobs":0)", 0, -1},
                           {R"(,"echo":true,"logprobs":1,"max_tokens":0,"stream":true)", 1, -1},
                           {R"(,"prompt_logprobs":0)", 0, 0},
                           {R"(,"prompt_logprobs":0,"stream":true)", -1, -1},
                           {R"(,"prompt_logprobs":false)", -1, -1},
                           {R"(,"prompt_logprobs":20,"echo":true,"logprobs":2)", 20, 20},
                           {R"(,"prompt_logprobs":2,"echo":true,"logprobs":5)", 5, 2}}) {
        CAPTURE(c.fields);
        OpenAiRequest q;
        const std::string body = std::string(R"({"prompt":"x")") + c.fields + "}";
        CHECK_FALSE(parse_completion_request(body, {}, kLimits, q));
        CHECK(q.generation.n_prompt_logprobs == c.n_prompt_logprobs);
        CHECK(q.style.prompt_logprobs == c.prompt_logprobs);
    }
    OpenAiRequest q;
    const auto error =
        parse_completion_request(R"({"prompt":"x","prompt_logprobs":-1})", {}, kLimits, q);
    REQUIRE(error);
    CHECK(error->code == "unsupported_parameter");
    CHECK(error->message.find("whole vocabulary") != std::string::npos);
}
