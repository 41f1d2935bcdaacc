// The events of a stream: their order, what they say of usage, and their end.

#include "daemon/api/openai/event_writer.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/openai/rendered.h"

using namespace qwend;

namespace {

bool has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

/// Choices of a text completion, and a writer of what comes to them.
struct Written {
    OpenAiStyle style;
    Choices choices;
    EventWriter writer;
    std::vector<std::string> parts = {};  // "0", "1" …, with "!" for a first one

    explicit Written(int n, OpenAiStyle s = {})
        : style(std::move(s)),
          choices(demo(), of(n), {{1, 2, 3}}),
          writer(style, EventForm{"\"text\":\"", "\"", std::make_shared<std::string>(",\"x\":1")},
                 choices) {}
    static Generation of(int n) {
        Generation generation;
        generation.n = n;
        return generation;
    }

    /// One call; what it wrote. `piece` is what every part says.
    std::string write(bool& complete, const std::string& piece = "") {
        ByteQueue out;
        complete = writer.write(choices, out, [&](int index, const ChoicePart& part, bool first) {
            if (!first && part.text.empty()) return;
            parts.push_back(std::to_string(index) + (first ? "!" : ""));
            writer.append(out, choices, index, {.text = piece + part.text, .part = &part});
        });
        std::string bytes;
        out.take(bytes, out.size());
        return bytes;
    }
    std::string write() {
        bool complete = false;
        const std::string bytes = write(complete);
        CHECK(complete);
        return bytes;
    }
};

TokenEvent event_of(int32_t id, FinishReason finish = FinishReason::none) {
    TokenEvent event;
    event.sampled.token = id;
    event.finish = finish;
    return event;
}

}  // namespace

TEST_CASE("openai_event_writer: a choice is begun once, closed once, and the stream ended once") {
    Written stream(2);
    CHECK(stream.write().empty());
    stream.choices.at(1).on_event(event_of(ids_of("b")[0]));
    const auto begun = data_of(stream.write());
    REQUIRE(begun.size() == 1);
    CHECK(begun[0].starts_with("{\"id\":\"cmpl-"));
    CHECK(begun[0].ends_with(R"("choices":[{"index":1,"text":"b","logprobs":null,)"
                             R"("finish_reason":null}],"x":1})"));
    stream.choices.at(1).on_event(event_of(ids_of("c")[0], FinishReason::length));
    const auto ended = data_of(stream.write());
    REQUIRE(ended.size() == 2);
    CHECK(has(ended[0], R"("text":"c","logprobs":null,"finish_reason":null}]})"));
    CHECK(ended[1].ends_with(R"("choices":[{"index":1,"text":"","logprobs":null,)"
                             R"("finish_reason":"length","stop_reason":null}]})"));
    CHECK(stream.write().empty());
    stream.choices.at(0).on_event(event_of(6060, FinishReason::stop));
    const auto last = data_of(stream.write());
    REQUIRE(last.size() == 3);
    CHECK(has(last[1], R"("finish_reason":"stop")"));
    CHECK(last[2] == "[DONE]");
    CHECK(stream.write().empty());
    CHECK(stream.parts == std::vector<std::string>{"1!", "1", "0!"});
}

TEST_CASE("openai_event_writer: usage where it was asked for, null or so far before the last") {
    const std::string whole =
        R"("choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,)";
    for (const bool include : {false, true})
        for (const bool continuous : {false, true}) {
            CAPTURE(include);
            CAPTURE(continuous);
            OpenAiStyle style;
            style.include_usage = include;
            style.continuous_usage = continuous;
            Written stream(1, style);
            stream.choices.at(0).on_event(event_of(ids_of("a")[0]));
            std::string bytes = stream.write();
            stream.choices.at(0).on_event(event_of(ids_of("b")[0], FinishReason::length));
            bytes += stream.write();
            const auto data = data_of(bytes);
            REQUIRE(data.size() == (include ? 5 : 4));
            CHECK(data.back() == "[DONE]");
            if (!include) {
                CHECK_FALSE(has(bytes, "usage"));
                continue;
            }
            CHECK(has(data[3], whole));
            const char* tokens[] = {"1", "2", "2"};
            for (size_t i = 0; i < 3; i++)
                CHECK(has(data[i], continuous ? std::string("\"completion_tokens\":") + tokens[i]
                                              : ",\"usage\":null}"));
        }
}

TEST_CASE(
    "openai_event_writer: a call stops at a choice once it is enough, and goes on with the next") {
    Written stream(5);
    for (int i = 0; i < 5; i++)
        stream.choices.at(i).on_event(event_of(ids_of("a")[0], FinishReason::length));
    const std::string piece(AnswerRenderer::kEnoughBytes / 2, 'x');  // two are enough
    std::vector<bool> complete;
    std::string bytes;
    for (int i = 0; i < 3; i++) {
        bool all = false;
        const std::string more = stream.write(all, piece);
        CHECK(more.size() < AnswerRenderer::kEnoughBytes + piece.size());
        bytes += more;
        complete.push_back(all);
        CHECK(has(more, "[DONE]") == all);
    }
    CHECK(complete == std::vector<bool>{false, false, true});
    CHECK(stream.parts == std::vector<std::string>{"0!", "1!", "2!", "3!", "4!"});
    CHECK(data_of(bytes).size() == 11);
}

TEST_CASE("openai_event_writer: an abandoned choice is not closed, and the stream has no end") {
    Written stream(2);
    stream.choices.at(0).on_event(event_of(ids_of("a")[0]));
    stream.choices.at(0).abandon();
    stream.choices.at(1).on_event(event_of(ids_of("b")[0], FinishReason::length));
    const auto data = data_of(stream.write());
    REQUIRE(data.size() == 3);
    CHECK(has(data[0], "\"text\":\"a\""));
    CHECK(has(data[0], "\"finish_reason\":null"));
    CHECK(has(data[1], "\"text\":\"b\""));
    CHECK(has(data[2], "\"index\":1"));
    CHECK(stream.write().empty());
}
