// An answer's bytes between the choices and whoever sends them: in bounded parts, and to their end.

#include "daemon/api/answer_body.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/plain_renderer.h"
#include "tests/unit/daemon/api/token_events.h"

using namespace qwend;

namespace {

struct Made {
    PlainRenderer* renderer = nullptr;
    std::unique_ptr<AnswerBody> body;

    explicit Made(Generation generation = {}) {
        body = std::make_unique<AnswerBody>(demo(), std::move(generation),
                                            std::vector<std::vector<int32_t>>{{5}},
                                            [this](const Choices&) {
                                                auto made = std::make_unique<PlainRenderer>(true);
                                                renderer = made.get();
                                                return made;
                                            });
    }
    std::string take() {
        std::string out;
        body->take(out);
        return out;
    }
};

}  // namespace

TEST_CASE("answer_body: what is much comes in parts, and is behind until the last is taken") {
    Made made;
    const std::string text = demo().tokenizer.decode(ids_of("hello"), false);
    const auto ids = ids_of(text);
    std::string all;
    while (all.size() <= 2 * AnswerRenderer::kEnoughBytes) {
        made.body->on_event(0, events_of({ids[0]}, FinishReason::none)[0]);
        all += demo().tokenizer.decode({ids.data(), 1}, false);
    }
    made.body->on_event(0, events_of({6060}, FinishReason::stop)[0]);
    CHECK(made.body->behind());
    CHECK_FALSE(made.body->is_cut());
    std::string out;
    for (const size_t part : {AnswerRenderer::kEnoughBytes, AnswerRenderer::kEnoughBytes}) {
        const std::string more = made.take();
        CHECK(more.size() == part);
        CHECK(made.body->is_cut());
        CHECK(made.body->behind());
        out += more;
    }
    out += made.take();
    CHECK_FALSE(made.body->is_cut());
    CHECK_FALSE(made.body->behind());
    CHECK(made.renderer->n_calls == 1);
    CHECK(out == "0" + all + ".");
}

TEST_CASE("answer_body: it is behind while its renderer has more, and while there is news") {
    Made made;
    CHECK_FALSE(made.body->behind());
    CHECK(made.take().empty());
    made.renderer->stops_before_last = 2;
    made.body->on_event(0, events_of(ids_of("a"), FinishReason::none)[0]);
    CHECK(made.body->behind());
    CHECK(made.take() == "0a");
    CHECK(made.body->behind());  // choices that it did not come to
    // What comes meanwhile may be to a choice that this round has passed: another is due.
    made.body->on_event(0, events_of(ids_of("b"), FinishReason::none)[0]);
    CHECK(made.take() == "0b");
    CHECK(made.take().empty());
    CHECK(made.body->behind());
    CHECK(made.take().empty());
    CHECK_FALSE(made.body->behind());
}

TEST_CASE("answer_body: a choice that ends itself wants no more of the engine") {
    Generation generation;
    generation.n = 2;
    generation.stops = {"b"};
    Made made(generation);
    CHECK_FALSE(made.body->on_event(0, events_of(ids_of("a"), FinishReason::none)[0]));
    CHECK(made.body->on_event(0, events_of(ids_of("b"), FinishReason::none)[0]));
    CHECK_FALSE(made.body->choices().done());
    made.body->abandon(1);
    CHECK(made.body->choices().done());
    CHECK(made.body->choices().at(1).abandoned());
    CHECK_FALSE(made.body->choices().at(0).abandoned());
}

TEST_CASE(
    "answer_body: of candidates nothing is written, and nothing is due, before the last ends") {
    Generation generation;
    generation.best_of = 2;
    Made made(generation);
    const auto events = events_of(ids_of("ab"), FinishReason::length);
    for (const TokenEvent& event : events) made.body->on_event(1, event);
    CHECK(made.take().empty());
    CHECK_FALSE(made.body->behind());
    CHECK(made.renderer->n_calls == 0);
    CHECK(made.body->n_waiting() >= 2);
    TokenEvent unlikely = events_of(ids_of("c"), FinishReason::length)[0];
    unlikely.sampled.logprob = -50;
    made.body->on_event(0, unlikely);
    CHECK(made.body->behind());
    CHECK(made.take() == "0ab.");
    CHECK_FALSE(made.body->behind());
    CHECK(made.body->n_waiting() == 0);
}

TEST_CASE("answer_body: the renderer sees the texts of its prompts, which are not kept") {
    Generation generation;
    generation.prompts = {std::string("prompt")};
    std::string seen;
    const AnswerBody body(demo(), generation, {{5}}, [&](const Choices& choices) {
        seen = std::get<std::string>(choices.generation().prompts[0]);
        return std::make_unique<PlainRenderer>(true);
    });
    CHECK(seen == "prompt");
    CHECK(body.choices().generation().prompts.empty());
    CHECK(body.form().ping == "~");
}
