// Bodies of the dialect as a whole: what they name, ask for and leave open.

#include "daemon/api/ollama/request.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/ollama/parsed.h"

using namespace qwend;

TEST_CASE("ollama_request: what a body leaves open") {
    const ParsedOllama parsed = parsed_chat();
    CHECK_FALSE(parsed.error);
    CHECK(parsed.request.style.chat);
    CHECK(parsed.request.style.stream);
    CHECK(parsed.request.style.model == "m");
    CHECK_FALSE(parsed.request.style.gives_context);
    CHECK(parsed.request.asks == OllamaRequest::Asks::generation);
    CHECK(parsed.generation().n == 1);
    CHECK(parsed.generation().whole_calls);
    CHECK(parsed.generation().clips_max_tokens);
    CHECK_FALSE(parsed.generation().max_tokens);
    CHECK_FALSE(parsed.generation().seed);
    CHECK(parsed.generation().prompt_field == "messages");
    CHECK(parsed_generate(R"("prompt":"a")").generation().prompt_field == "prompt");
}

TEST_CASE("ollama_request: the model by its name, with or without a tag") {
    for (const char* name : {R"("m")", R"("m:latest")", R"("")", "null"}) {
        CAPTURE(name);
        const std::string body = std::string(R"({"model":)") + name + "}";
        CHECK_FALSE(ParsedOllama(true, body).error);
        CHECK_FALSE(ParsedOllama(false, body).error);
    }
    const ParsedOllama other(true, R"({"messages":5,"model":"other"})");
    CHECK(other.message() == "model 'other' not found");
    CHECK(other.error->status == 404);
    CHECK(ParsedOllama(true, R"({"model":5})").message() == "model: expected a string");
}

TEST_CASE("ollama_request: a body that is none") {
    CHECK(ParsedOllama(true, "").message() == "missing request body");
    CHECK(ParsedOllama(false, " \n").message() == "missing request body");
    CHECK(ParsedOllama(true, "{").error->status == 400);
    CHECK(ParsedOllama(true, "[]").error->status == 400);
    CHECK(ParsedOllama(true, R"({"a":1,"a":2})").error->status == 400);
}

TEST_CASE("ollama_request: without messages or a prompt the model is loaded, or unloaded") {
    using Asks = OllamaRequest::Asks;
    const auto asks = [](bool chat, const std::string& body) {
        const ParsedOllama parsed(chat, body);
        CHECK_FALSE(parsed.error);
        return parsed.request.asks;
    };
    CHECK(asks(true, R"({"model":"m"})") == Asks::load);
    CHECK(asks(true, R"({"messages":[],"keep_alive":"5m"})") == Asks::load);
    CHECK(asks(true, R"({"messages":[],"keep_alive":0})") == Asks::unload);
    CHECK(asks(true, R"({"messages":null,"keep_alive":"0s"})") == Asks::unload);
    CHECK(asks(false, R"({"prompt":""})") == Asks::load);
    CHECK(asks(false, R"({"system":"a","context":[1]})") == Asks::load);
    CHECK(asks(false, R"({"keep_alive":0.0})") == Asks::unload);
    CHECK(asks(false, R"({"keep_alive":-1})") == Asks::load);
    CHECK(asks(false, R"({"suffix":"a"})") == Asks::generation);
    CHECK(asks(false, R"({"prompt":"a","keep_alive":0})") == Asks::generation);
}

TEST_CASE("ollama_request: only answers of generate, and none that are raw, give a context") {
    const ParsedOllama plain = parsed_generate(R"("prompt":"a")");
    CHECK(plain.request.style.gives_context);
    CHECK(plain.generation().return_token_ids);
    const ParsedOllama raw = parsed_generate(R"("prompt":"a","raw":true)");
    CHECK_FALSE(raw.request.style.gives_context);
    CHECK_FALSE(raw.generation().return_token_ids);
}

TEST_CASE("ollama_request: unknown fields are counted, those of the other route too") {
    const ParsedOllama chat = parsed_chat(R"("prompt":"a","x":1,"options":{"y":1,"num_ctx":5})");
    CHECK_FALSE(chat.error);
    CHECK(chat.request.n_unknown_fields == 3);
    CHECK(chat.request.unknown_fields == std::vector<std::string>{"prompt", "x", "options.y"});
    CHECK(parsed_generate(R"("prompt":"a","messages":5)").request.n_unknown_fields == 1);
}

TEST_CASE("ollama_request: a request for a model, by either name of the field") {
    OllamaModelRequest request;
    CHECK_FALSE(parse_ollama_model(R"({"name":"a","stream":false,"insecure":true})", request));
    CHECK(request.model == "a");
    CHECK_FALSE(request.stream);
    request = {};
    CHECK_FALSE(parse_ollama_model(R"({"name":"a","model":"b","stream":null})", request));
    CHECK(request.model == "b");
    CHECK(request.stream);
    for (const auto& [body, message] :
         {std::pair("{}", "model is required"), std::pair(R"({"model":""})", "model is required"),
          std::pair("", "missing request body"),
          std::pair(R"({"name":5})", "name: expected a string, found 5"),
          std::pair(R"({"stream":5})", "stream: expected true or false, found 5")}) {
        request = {};
        const auto error = parse_ollama_model(body, request);
        REQUIRE(error);
        CHECK(error->message == message);
    }
}
