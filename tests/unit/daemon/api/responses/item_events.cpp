// The envelope of a stream's events.

#include "daemon/api/responses/item_events.h"

#include "tests/unit/daemon/api/responses/rendered.h"

using namespace qwend;

TEST_CASE("responses_item_events: events are named, numbered, and of one line each") {
    ItemEvents events({&demo().tokenizer, true, false});
    ByteQueue out;
    OutputItem item;
    item.id = "msg_1";
    item.text = R"(a\n)";
    events.begin(out, item);
    events.text(out, item, item.text, {});
    events.end(out, item, "completed");
    item.kind = OutputItem::Kind::function_call;
    events.begin(out, item);
    events.end(out, item, "completed");
    events.lifecycle(out, "completed", std::make_shared<std::string>("{\"output\":["), "1", "]}");
    std::string bytes, names;
    out.take(bytes, out.size());
    for (const StreamEvent& event : events_in(bytes)) names += event.name.substr(9) + " ";
    CHECK(names ==
          "output_item.added content_part.added output_text.delta output_text.done "
          "content_part.done output_item.done output_item.added function_call_arguments.done "
          "output_item.done completed ");
    CHECK(bytes.ends_with(R"("sequence_number":9,"response":{"output":[1]}})"
                          "\n\n"));
}

TEST_CASE("responses_item_events: logprobs go with the text they came with") {
    ItemEvents events({&demo().tokenizer, true, true});
    ByteQueue out;
    const TokenEvent token = events_of({5}, FinishReason::none, 1)[0];
    events.text(out, {}, "x", {{token.sampled, 0}, {token.sampled, 1}});
    std::string bytes;
    out.take(bytes, out.size());
    const std::string one = R"({"token":"token_id:5","logprob":-0.5)";
    CHECK(bytes.find("\"logprobs\":[" + one) != std::string::npos);
    CHECK(bytes.find("]}," + one) != std::string::npos);
}
