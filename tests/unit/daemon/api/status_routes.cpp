#include "daemon/api/status_routes.h"

#include <doctest/doctest.h>
#include <simdjson.h>

#include <string>

#include "tests/unit/daemon/api/api_harness.h"

using namespace qwend;

TEST_CASE("status_routes: how every model is") {
    ServedApi served;
    served.names = {{"first", "alias"}, {"second"}};
    served.run([&] {
        served.on_loop([&] {  // it has no template that can be used
            auto& text = const_cast<ModelText&>(*served.models[1]->model->text);
            text.chat_template.parsed = nullptr;
        });
        const std::string answer = served.ask("GET", "/status");
        simdjson::dom::parser parser;
        const std::string body = answer.substr(answer.find("\r\n\r\n") + 4);
        const simdjson::dom::element status = parser.parse(body);
        CHECK(status["state"].get_string().value() == "ready");
        CHECK(status["uptime"].get_double().value() >= 0);
        std::string ids;
        for (const simdjson::dom::element model : status["models"]) {
            const std::string id(model["id"].get_string().value());
            ids += id + " ";
            CHECK(model["chat"].get_bool().value() == (id == "first"));
            CHECK(model["state"].get_string().value() == "ready");
            CHECK(model["max_model_len"].get_int64().value() ==
                  served.models[0]->model->context_limit());
            CHECK(model["running"].get_int64().value() == 0);
            CHECK(model["kv_blocks"].get_int64().value() > 0);
        }
        CHECK(ids == "first second ");
    });
}
