// A body as a whole: what its fields come to together, and what is kept of it.

#include "daemon/api/responses/request.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/responses/parsed.h"

using namespace qwend;

namespace {

ResponseRequest parsed(const std::string& body, const ResponseTable& stored = {}) {
    ResponseRequest request;
    const auto error = parse_response(body, request, stored);
    CHECK_MESSAGE(!error, (error ? error->message : ""));
    return request;
}

}  // namespace

TEST_CASE("responses_request: an input is needed, or something else to answer") {
    ResponseRequest request;
    const auto error = parse_response("{}", request);
    REQUIRE(error);
    CHECK(error->status == 400);
    CHECK(error->param == "input");
    CHECK(parse_response(R"({"input":[]})", request)->param == "input");
    CHECK(parse_response(R"({"input":5})", request)->param == "input");
    CHECK(conversation_of(parsed(R"({"instructions":"Say hello."})")) == "system:Say hello.\n");
}

TEST_CASE("responses_request: instructions come first, wherever they stand") {
    CHECK(conversation_of(parsed(R"({"input":"hi","instructions":"Be brief."})")) ==
          "system:Be brief.\nuser:hi\n");
}

TEST_CASE("responses_request: how the answer is to be") {
    const ResponseRequest request =
        parsed(R"({"model":"m","input":"hi","stream":true,"max_output_tokens":7,"temperature":0})");
    CHECK(request.style.model == "m");
    CHECK(request.style.stream);
    CHECK(request.base.generation.max_tokens == 7);
    CHECK(request.base.generation.sampling.temperature == 0);
    CHECK(request.base.generation.sampling.n_logprobs == -1);
    CHECK(request.base.generation.prompt_field == "input");
    CHECK_FALSE(request.base.generation.whole_calls);
    CHECK(parsed(R"({"input":"hi"})").base.generation.whole_calls);
}

TEST_CASE("responses_request: logprobs are asked for by either field") {
    const auto n_logprobs = [](const std::string& fields) {
        return parsed(R"({"input":"x",)" + fields + "}").base.generation.sampling.n_logprobs;
    };
    CHECK(n_logprobs(R"("include":["message.output_text.logprobs"])") == 0);
    CHECK(n_logprobs(R"("include":["message.output_text.logprobs"],"top_logprobs":3)") == 3);
    CHECK(n_logprobs(R"("top_logprobs":3)") == 3);
    CHECK(n_logprobs(R"("top_logprobs":0)") == -1);
    CHECK(n_logprobs(R"("include":["reasoning.encrypted_content"])") == -1);
}

TEST_CASE("responses_request: the input is kept as it is, unless nothing is to be") {
    CHECK(*parsed(R"({"input":[ {"role":"user","content":"hi"} ]})").style.input ==
          R"([ {"role":"user","content":"hi"} ])");
    CHECK_FALSE(parsed(R"({"input":"hi","store":false})").style.input);
    ResponseRequest request;
    request.style.can_store = false;
    CHECK_FALSE(parse_response(R"({"input":"hi","store":true})", request));
    CHECK_FALSE(request.style.store);
    CHECK_FALSE(request.style.input);
    CHECK(request.style.echo.ends_with("\"store\":false"));
}

TEST_CASE("responses_request: a response goes on from all that came before it, but instructions") {
    ResponseStore store(1 << 20);
    store.keep(stored_response("a", "", "\"My name is Ada.\"",
                               R"({"type":"message","role":"assistant","content":[)"
                               R"({"type":"output_text","text":"Hi, Ada."}]})"));
    store.keep(stored_response("b", "a", R"([{"role":"user","content":"Weather?"}])",
                               R"({"type":"function_call","call_id":"c","name":"w",)"
                               R"("namespace":"ns","arguments":"{\"x\":1}"})"));
    const ResponseRequest request = parsed(
        R"({"previous_response_id":"b","instructions":"New.","input":[
            {"type":"function_call_output","call_id":"c","output":"sunny"}]})",
        *store.table());
    CHECK(conversation_of(request) ==
          "system:New.\nuser:My name is Ada.\nassistant:Hi, Ada.\nuser:Weather?\n"
          "assistant:(ns__w {\"x\":1})\ntool:sunny\n");
    CHECK(request.style.previous_id == "b");
    CHECK(request.style.echo.find(R"("previous_response_id":"b")") != std::string::npos);
}

TEST_CASE("responses_request: what is gone on from has to be there, and all before it") {
    ResponseStore store(1 << 20);
    store.keep(stored_response("b", "a", "\"x\"", ""));
    for (const char* id : {"b", "c"}) {
        ResponseRequest request;
        const auto error =
            parse_response(std::string(R"({"input":"x","previous_response_id":")") + id + "\"}",
                           request, *store.table());
        REQUIRE(error);
        CHECK(error->status == 400);
        CHECK(error->code == "previous_response_not_found");
        CHECK(error->param == "previous_response_id");
    }
}

TEST_CASE("responses_request: other models than are served, and other bodies than objects") {
    ResponseRequest request;
    CHECK(parse_response("[]", request)->message == "expected a JSON object");
    const std::vector<std::string> names = {"served"};
    const GenerationDefaults defaults;
    const auto error = parse_response_request(R"({"input":"x","model":"other"})",
                                              [&](std::string_view) {
                                                  return RequestRules{defaults, {8, 1000, names}};
                                              },
                                              {}, request);
    REQUIRE(error);
    CHECK(error->code == "model_not_found");
}
