#include "daemon/api/vectors/fields.h"

#include <doctest/doctest.h>

#include <string_view>

#include "daemon/api/openai/fields.h"

using namespace qwend;

TEST_CASE("vector fields: none stands in the way of one that all dialects share") {
    for (const auto& [name, field] : vector_fields()) {
        CAPTURE(name);
        CHECK_FALSE(find_field(request_fields(), name, kVectors));
        CHECK((field.scope & kAnyVectors) != 0);
        CHECK((field.scope & ~unsigned(kAnyVectors)) == 0);
    }
}

TEST_CASE("vector fields: each request has what it cannot do without") {
    for (const unsigned scope : {kEmbeddings, kClassify, kPooling})
        CHECK(find_field(vector_fields(), "input", scope));
    CHECK(find_field(vector_fields(), "documents", kRerank));
    CHECK(find_field(vector_fields(), "texts", kRerank));
    CHECK_FALSE(find_field(vector_fields(), "texts", kScore));
    for (const std::string_view shared : {"model", "messages", "truncate_prompt_tokens"})
        CHECK(find_field(request_fields(), shared, kVectors));
}
