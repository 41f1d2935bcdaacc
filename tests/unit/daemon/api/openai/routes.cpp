// OpenAI's routes and vLLM's beside them, over HTTP.

#include "daemon/api/openai/routes.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tests/unit/daemon/api/api_harness.h"

using namespace qwend;

namespace {

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

std::string body_of(const std::string& answer) {
    return answer.substr(answer.find("\r\n\r\n") + 4);
}

}  // namespace

TEST_CASE("openai_routes: ids to text and back, and the template") {
    ServedApi served;
    served.run([&] {
        const auto ids = demo_text()->tokenizer.encode_with_added_tokens("hello");
        CHECK(has(served.post("/tokenize", R"({"prompt":"hello"})"),
                  fmt::format("{{\"tokens\":[{}],\"count\":{},\"max_model_len\":1024}}",
                              fmt::join(ids, ","), ids.size())));  // as much as the pool holds
        CHECK(has(
            served.post("/detokenize", fmt::format(R"({{"tokens":[{}]}})", fmt::join(ids, ","))),
            R"({"prompt":"hello"})"));
        CHECK(has(
            served.post("/apply-template", R"({"messages":[{"role":"user","content":"hello"}]})"),
            R"(<|im_start|>user\nhello<|im_end|>\n)"));
        CHECK(has(served.post("/apply-template", R"({"prompt":"a"})"), "expected messages"));
    });
}

TEST_CASE("openai_routes: an answer's id is the client's, else the request's; so is its model") {
    ServedApi served;
    served.run([&] {
        const auto ask = [&](const std::string& members) {
            return body_of(served.ask("POST", "/v1/completions",
                                      R"({"prompt":[1,2],"max_tokens":1)" + members + "}",
                                      "X-Request-Id: header-1\r\n"));
        };
        CHECK(ask("").starts_with(R"({"id":"cmpl-header-1","object":"text_completion",)"));
        CHECK(has(ask(""), R"("model":"first",)"));
        const std::string own = ask(R"(,"request_id":"body-1","model":"alias")");
        CHECK(own.starts_with(R"({"id":"cmpl-body-1",)"));
        CHECK(has(own, R"("model":"alias",)"));
    });
}

TEST_CASE("openai_routes: every route names what is wrong with its body") {
    ServedApi served;
    served.run([&] {
        for (const char* path : {"/v1/chat/completions", "/v1/completions", "/tokenize",
                                 "/detokenize", "/apply-template"}) {
            CAPTURE(path);
            for (const char* body : {"[]", "{", "", R"({"model":5})", R"({"a":1,"a":2})"}) {
                CAPTURE(body);
                const std::string answer = served.post(path, body);
                CHECK(has(answer, "400 Bad Request"));
                CHECK(has(answer, R"("type":"invalid_request_error")"));
            }
        }
        CHECK(has(served.post("/apply-template", R"({"messages":[{"role":"robot","content":""}]})"),
                  R"("param":"messages[0].role")"));
        CHECK(has(served.post("/detokenize", R"({"tokens":[99999]})"), R"("param":"tokens[0]")"));
        CHECK(has(served.post("/tokenize", R"({"prompt":["a","b"]})"), R"("param":"prompt")"));
    });
}
