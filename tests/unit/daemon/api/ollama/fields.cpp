// Field by field: values that are taken, and what is said of those that are not.

#include "daemon/api/ollama/fields.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/ollama/parsed.h"

using namespace qwend;

namespace {

struct Row {
    const char* members;
    const char* message;  // how it begins
};

constexpr const char* kNone = "no error";

}  // namespace

TEST_CASE("ollama_fields: what a chat may say") {
    for (const auto& [members, message] : {
             Row{R"("stream":null,"format":null,"options":null,"keep_alive":null,"think":null)",
                 kNone},
             Row{R"("stream":1)", "stream: expected true or false"},
             Row{R"("format":"")", kNone},
             Row{R"("format":"json")", kNone},
             Row{R"("format":{"type":"object"})", kNone},
             Row{R"("format":{})", kNone},
             Row{R"("format":"xml")", "format: expected \"json\" or a JSON schema, found"},
             Row{R"("format":5)", "format: expected"},
             Row{R"("think":false)", kNone},
             Row{R"("think":true)", "\"m\" does not support thinking"},
             Row{R"("think":"high")", "\"m\" does not support thinking"},
             Row{R"("think":"max")", "\"m\" does not support thinking"},
             Row{R"("think":"a lot")", "think: expected true, false, \"low\""},
             Row{R"("think":1)", "think: expected"},
             Row{R"("keep_alive":300)", kNone},
             Row{R"("keep_alive":-1)", kNone},
             Row{R"("keep_alive":"30s")", kNone},
             Row{R"("keep_alive":"-1m")", kNone},
             Row{R"("keep_alive":"soon")", "keep_alive: expected seconds, or a duration"},
             Row{R"("keep_alive":[])", "keep_alive: expected"},
             Row{R"("truncate":true,"shift":false)", kNone},
             Row{R"("truncate":"no")", "truncate: expected true or false"},
             Row{R"("logprobs":true,"top_logprobs":20)", kNone},
             Row{R"("top_logprobs":21)", "top_logprobs: expected an integer from 0 to 20"},
             Row{R"("logprobs":1)", "logprobs: expected true or false"},
             Row{R"("options":[])", "options: expected an object"},
             Row{R"("tools":null)", kNone},
             Row{R"("tools":{})", "tools: expected an array"},
         }) {
        CAPTURE(members);
        const std::string said = parsed_chat(members).message();
        CHECK_MESSAGE(said.starts_with(message), said);
    }
}

TEST_CASE("ollama_fields: a model that thinks is told whether to") {
    ModelText model = std::move(*load_demo_text());
    model.output_format.reasoning = ReasoningFormat::think;
    const auto told = [&](const char* think) {
        const ParsedOllama parsed = parsed_chat(std::string("\"think\":") + think, model);
        CHECK_FALSE(parsed.error);
        return parsed.generation().chat_options.template_kwargs;
    };
    CHECK(told("true") == R"({"enable_thinking":true})");
    CHECK(told("\"low\"") == R"({"enable_thinking":true})");
    CHECK(told("false") == R"({"enable_thinking":false})");
    CHECK(told("null") == "");
    CHECK(parsed_chat("\"think\":5", model).error);
}

TEST_CASE("ollama_fields: what generate may say") {
    for (const auto& [members, message] : {
             Row{R"("prompt":"a","suffix":"","system":"","template":"","context":[],"images":[])",
                 kNone},
             Row{R"("prompt":null)", kNone},
             Row{R"("prompt":["a"])", "prompt: expected a string"},
             Row{R"("prompt":"a","template":"{{ .Prompt }}")", "template: not supported"},
             Row{R"("prompt":"a","images":["aGk="])", "images: not supported by this server; the"},
             Row{R"("prompt":"a","images":"aGk=")", "images: expected an array"},
             Row{R"("prompt":"a","context":[1,99999])", "context[1]: expected an integer from 0"},
             Row{R"("prompt":"a","context":"a")", "context: expected a list of token ids"},
             Row{R"("prompt":"a","raw":1)", "raw: expected true or false"},
             Row{R"("prompt":"a","raw":true,"system":"b")", "raw mode does not support template"},
             Row{R"("prompt":"a","raw":true,"context":[1])", "raw mode does not support template"},
             Row{R"("prompt":"a","raw":true,"system":"","context":[])", kNone},
             Row{R"("prompt":"a","raw":true,"suffix":"b")", "suffix: not together with"},
             Row{R"("prompt":"a","suffix":"b","system":"c")", "suffix: not together with"},
         }) {
        CAPTURE(members);
        const std::string said = parsed_generate(members).message();
        CHECK_MESSAGE(said.starts_with(message), said);
    }
}

TEST_CASE("ollama_fields: logprobs are the sampled token's, and more where they are asked for") {
    CHECK(parsed_chat().sampling().n_logprobs == -1);
    CHECK(parsed_chat(R"("logprobs":true)").sampling().n_logprobs == 0);
    CHECK(parsed_chat(R"("top_logprobs":3,"logprobs":true)").sampling().n_logprobs == 3);
    CHECK(parsed_chat(R"("top_logprobs":3)").sampling().n_logprobs == -1);
}
