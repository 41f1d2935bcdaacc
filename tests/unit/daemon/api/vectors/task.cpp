// What a request asks of its model, by the model's head.

#include "daemon/api/vectors/task.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/daemon/api/vectors/vectors_api.h"

using namespace qwend;

namespace {

/// The answer's body where a model with a head of this kind is asked.
std::string asked(HeadKind head, std::string_view path, std::string_view body,
                  std::optional<int32_t> step_end = {}) {
    ServedApi served;
    served.info.samples = head == HeadKind::text;
    served.change_text = [&](ModelText& text) {
        text.config.head = head, text.step_end_id = step_end;
    };
    std::string answer;
    served.run([&] { answer = body_of(served.post(path, body)); });
    return answer;
}

std::string data(const std::vector<std::vector<int32_t>>& prefixes) {
    std::string out;
    for (const auto& prefix : prefixes)
        out += (out.empty() ? "" : ",") + numbers(fake_vector(prefix));
    return "\"data\":[" + out + "]}";
}

constexpr const char* kRaw = R"({"input":[[1,2,3,2]],"use_activation":false})";

}  // namespace

TEST_CASE("vector task: a reward model gives each token's, a process each step's") {
    CHECK(has(asked(HeadKind::reward, "/pooling", kRaw),
              data({{1}, {1, 2}, {1, 2, 3}, {1, 2, 3, 2}})));
    CHECK(has(asked(HeadKind::process_reward, "/pooling", kRaw, 2), data({{1, 2}, {1, 2, 3, 2}})));
    CHECK(has(asked(HeadKind::process_reward, "/pooling", kRaw, 9), "\"data\":[]}"));
    CHECK(has(asked(HeadKind::reward, "/classify", kRaw),
              "\"probs\":" + numbers(fake_vector({1, 2, 3, 2}))));
    CHECK(has(asked(HeadKind::process_reward, "/classify", kRaw), "makes no classes"));
}

TEST_CASE("vector task: pooling's tasks are those of the model") {
    const auto task = [](HeadKind head, std::string_view name) {
        return asked(
            head, "/pooling",
            fmt::format(R"({{"input":[[1,2]],"use_activation":false,"task":"{}"}})", name));
    };
    CHECK(has(task(HeadKind::text, "embed"), "\"data\":" + numbers(fake_vector({1, 2}))));
    CHECK(has(task(HeadKind::none, "token_embed"), data({{1}, {1, 2}})));
    CHECK(has(task(HeadKind::text, "classify"), "does not classify"));
    CHECK(has(task(HeadKind::reward, "token_classify"), data({{1}, {1, 2}})));
    CHECK(has(task(HeadKind::reward, "classify"), "\"data\":" + numbers(fake_vector({1, 2}))));
    CHECK(has(task(HeadKind::reward, "embed"), "does not embed"));
}

TEST_CASE("vector task: dimensions that there are, and conversations") {
    CHECK(has(asked(HeadKind::text, "/v1/embeddings", R"({"input":"a","dimensions":3})"),
              "dimensions: the model has 2, found 3"));
    CHECK(has(
        asked(HeadKind::text, "/v1/embeddings", R"({"messages":[{"role":"user","content":"a"}]})"),
        R"("embedding":[)"));
    CHECK(has(asked(HeadKind::text, "/v1/embeddings",
                    R"({"messages":[{"role":"nobody","content":"a"}]})"),
              R"("param":"messages[0].role")"));
}
