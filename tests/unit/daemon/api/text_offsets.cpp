#include "daemon/api/text_offsets.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/token_events.h"

using namespace qwend;

TEST_CASE("text_offsets: a token is where the characters before it end") {
    CHECK(count_code_points("") == 0);
    CHECK(count_code_points("a你🙂") == 3);
    const auto emoji = ids_of("🙂");
    REQUIRE(emoji.size() > 1);
    TextOffsets offsets(demo().tokenizer, 10);
    CHECK(offsets.of(emoji[0]) == 10);
    std::string text = offsets.push(emoji[0]);
    CHECK(text.empty());
    CHECK(offsets.of(emoji[1]) == 10);        // goes on with the character
    CHECK(offsets.of(ids_of("a")[0]) == 11);  // cannot, so what is held back is one of its own
    for (size_t i = 1; i < emoji.size(); i++) text += offsets.push(emoji[i]);
    CHECK(text == "🙂");
    CHECK(offsets.of(emoji[0]) == 11);
}
