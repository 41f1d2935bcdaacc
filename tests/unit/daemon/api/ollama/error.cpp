// Errors in Ollama's words and form.

#include "daemon/api/ollama/error.h"

#include <doctest/doctest.h>

using namespace qwend;

TEST_CASE("ollama_error: one member, the text") {
    CHECK(render_ollama_error(bad_request("a \"b\"", "param", "code")) == R"({"error":"a \"b\""})");
}

TEST_CASE("ollama_error: in the words that clients look for") {
    CHECK(ollama_model_not_found("a:7b").message == "model 'a:7b' not found");
    CHECK(ollama_model_not_found("a").status == 404);
    CHECK(ollama_model_not_found(std::string(4000, 'a')).message.size() < 100);
    CHECK(ollama_not_capable("a", "tools").message == "\"a\" does not support tools");
    CHECK(ollama_not_capable("a", "tools").status == 400);
}
