// Maps that are none; what a map does is in tokenizer_pipeline.cpp, beside Hugging Face's.

#include "model/text/charsmap.h"

#include <doctest/doctest.h>

#include <string>

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
