#include "daemon/api/status_routes.h"

#include <doctest/doctest.h>
#include <simdjson.h>

#include <string>

#include "tests/unit/daemon/api/api_harness.h"

using namespace qwend;

TEST_CASE("status_routes: how every model is, and what it is for") {
    ServedApi served;
    served.names = {
        {"chat", "alias"}, {"completion"}, {"embedding"}, {"classification"}, {"reward"}};
    served.change_text = [n = 0](ModelText& text) mutable {
        constexpr HeadKind kHeads[] = {HeadKind::text, HeadKind::text, HeadKind::none,
                                       HeadKind::classes, HeadKind::process_reward};
        text.config.head = kHeads[n];
        if (n++ == 1) text.chat_template.parsed = nullptr;  // it cannot be used
    };
    served.run([&] {
        const std::string answer = served.ask("GET", "/status");
        const std::string body = answer.substr(answer.find("\r\n\r\n") + 4);
        simdjson::dom::parser parser;
        const simdjson::dom::element status = parser.parse(body);
        CHECK(status["state"].get_string().value() == "ready");
        CHECK(status["uptime"].get_double().value() >= 0);
        size_t n = 0;
        for (const simdjson::dom::element model : status["models"]) {
            CHECK(model["id"].get_string().value() == served.names[n][0]);
            CHECK(model["task"].get_string().value() == served.names[n][0]);
            CHECK(model["state"].get_string().value() == "ready");
            CHECK(model["max_model_len"].get_int64().value() ==
                  served.models[n]->model->context_limit());
            CHECK(model["running"].get_int64().value() == 0);
            CHECK(model["kv_blocks"].get_int64().value() > 0);
            n++;
        }
        CHECK(n == served.names.size());
    });
}
