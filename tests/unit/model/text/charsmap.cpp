// Maps that are none; what a map does is in tokenizer_pipeline.cpp, beside Hugging Face's.

#include "model/text/charsmap.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "model/error.h"

using namespace qwend;

TEST_CASE("charsmap: what is no map is refused") {
    for (const char* base64 : {"", "?", "AAAA", "AAAAAAAA", "AwAAAAAAAA==", "BAAAAAAA", "/////w=="})
        CHECK_THROWS_WITH_AS(CharsMap(base64, "test"), doctest::Contains("test: normalizer"),
                             LoadError);
}

TEST_CASE("charsmap: a map that leads out of itself finds nothing") {
    std::string out;
    // One unit, whatever it says: its children are beyond the end, or itself.
    for (const char* base64 : {"BAAAAAAAAAA=", "BAAAAP////8=", "BAAAAAAFAAA="}) {
        CharsMap(base64, "test").normalize("ab\u0301\xFF\u4e2d", out);
        CHECK(out == "ab\u0301\xFF\u4e2d");
    }
}

TEST_CASE("charsmap: bytes are the same map as their base64") {
    const std::string_view bytes("\4\0\0\0\0\0\0\0", 8);
    std::string out;
    CharsMap::of_bytes(bytes, "test").normalize("ab", out);
    CHECK(out == "ab");
    for (const std::string_view none : {bytes.substr(0, 7), bytes.substr(0, 3), bytes.substr(1)})
        CHECK_THROWS_WITH_AS(CharsMap::of_bytes(none, "test"),
                             doctest::Contains("test: normalizer"), LoadError);
}
