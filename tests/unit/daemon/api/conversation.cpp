#include "daemon/api/conversation.h"

#include <doctest/doctest.h>

using namespace qwend;

namespace {

std::string arguments(std::string_view json) {
    JsonDocument document;
    REQUIRE_FALSE(document.parse(json));
    return call_arguments(document.root());
}

}  // namespace

TEST_CASE("conversation: roles by the names that templates have for them") {
    CHECK(template_role("function") == "tool");
    for (const char* role : {"system", "developer", "user", "assistant", "tool"})
        CHECK(template_role(role) == role);
    CHECK(template_role("robot").empty());
    CHECK(template_role("").empty());
}

TEST_CASE("conversation: arguments are an object as it was written, or {}") {
    CHECK(arguments(R"({"b": [1e400], "a": 1})") == R"({"b": [1e400], "a": 1})");
    CHECK(arguments(R"("{\"a\": 1}")") == R"({"a": 1})");
    for (const char* nothing : {"null", "7", "[1]", R"("")", R"("{\"a\"")", R"("[1]")"})
        CHECK(arguments(nothing) == "{}");
}
