#include "daemon/api/vectors/schemas.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "model/json_document.h"

using namespace qwend;

TEST_CASE("vector schemas: each is JSON, has a name of its own, and its request's fields") {
    std::set<std::string> names;
    for (const auto& [name, text] : vector_schemas()) {
        CAPTURE(text);
        JsonDocument document;
        CHECK_FALSE(document.parse(text).has_value());
        CHECK(names.emplace(name).second);
        if (name.ends_with("Request")) CHECK(text.find("\"truncate_prompt_tokens\"") != text.npos);
    }
    for (const char* name : {"EmbeddingRequest", "RerankRequest", "Embeddings", "Ranking"})
        CHECK(names.contains(name));
}
