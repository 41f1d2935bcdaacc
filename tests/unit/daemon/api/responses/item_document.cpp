// The elements of a document's output, of which logprobs are sent before their text is complete.

#include "daemon/api/responses/item_document.h"

#include "tests/unit/daemon/api/responses/rendered.h"

using namespace qwend;

TEST_CASE("responses_item_document: a message's logprobs come first, then its text; then a call") {
    ItemDocument document({&demo().tokenizer, true, true});
    ByteQueue out;
    OutputItem item;
    item.id = "msg_1";
    document.begin(out, item);
    const TokenEvent token = events_of({5}, FinishReason::none)[0];
    document.text(out, item, "a", {{token.sampled, 0}});
    std::string early;
    out.take(early, out.size());
    CHECK(early.find("token_id:5") != std::string::npos);
    document.text(out, item, "b", {{token.sampled, 1}});
    item.text = "ab";
    document.end(out, item, "completed");
    item.kind = OutputItem::Kind::function_call;
    item.index = 1;
    document.begin(out, item);
    document.arguments(out, item, "{}");
    document.end(out, item, "completed");
    std::string late;
    out.take(late, out.size());
    dom::parser parser;
    dom::element output;
    REQUIRE(parser.parse("[" + early + late + "]").get(output) == simdjson::SUCCESS);
    CHECK(output.get_array().value().size() == 2);
    const dom::element text = output.at(0)["content"].at(0).value();
    CHECK(text["logprobs"].get_array().value().size() == 2);
    CHECK(text["text"].get_string().value() == "ab");
    CHECK(output.at(1)["type"].get_string().value() == "function_call");
}
