#include "daemon/api/inner_requests.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "daemon/api/openai/error.h"
#include "daemon/log.h"

using namespace qwend;

namespace {

/// Routes whose exchange is kept, to be answered by the test.
struct Asked {
    ExchangePtr exchange;
    RouteTable routes{{
        {"POST", "/keep", render_openai_error,
         [this](const ExchangePtr& asked) { exchange = asked; }},
        {"POST", "/throw", render_openai_error,
         [](const ExchangePtr&) { throw std::runtime_error("bad"); }},
        {"POST", "/generate", render_openai_error,
         [](const ExchangePtr& asked) {
             asked->respond({200, {}, "text"});
         },
         kGenerates},
    }};
    ModelRegistry models{{}};
    Availability availability{models};
    std::string told, answered;
    InnerRequests requests{routes, availability, [this](const HttpRequest& request, int status) {
                               told += fmt::format("{}:{} ", request.request_id, status);
                           }};

    CollectedAnswerPtr post(std::string_view path) {
        return requests.post(path, "{}", "id", [this](HttpResponse response) {
            answered += fmt::format("{}:{} ", response.status, response.body);
        });
    }
};

}  // namespace

TEST_CASE("inner_requests: an answer comes as a whole, in one piece or in many") {
    Asked asked;
    const auto first = asked.post("/keep");
    REQUIRE(asked.exchange);
    CHECK(asked.exchange->in_background());
    CHECK(asked.exchange->request().body == "{}");
    CHECK(asked.exchange->request().method == "POST");
    asked.exchange->respond({400, {}, "no"});
    CHECK(!first->is_open());
    const auto second = asked.post("/keep");
    asked.exchange->start_stream(200, {});
    asked.exchange->write("a");
    asked.exchange->write("b");
    CHECK(asked.answered == "400:no ");
    asked.exchange->finish();
    CHECK(asked.answered == "400:no 200:ab ");
    CHECK(asked.told == "id:400 id:200 ");
}

TEST_CASE("inner_requests: what is dropped is told to who makes it, and to nobody else") {
    Asked asked;
    const auto answer = asked.post("/keep");
    int n_gone = 0;
    asked.exchange->on_client_gone([&] { n_gone++; });
    answer->drop();
    answer->drop();
    CHECK(n_gone == 1);
    asked.exchange->respond({200, {}, "late"});
    CHECK(asked.answered == "");
    CHECK(asked.told == "id:499 ");
}

TEST_CASE("inner_requests: what breaks, or is too large, is an answer too") {
    Asked asked;
    log_set_level(LogLevel{-1});
    auto answer = asked.post("/throw");
    log_set_level(LogLevel::info);
    CHECK(asked.answered.starts_with("500:"));
    answer = asked.post("/nowhere");
    CHECK(asked.answered.find("404:") != std::string::npos);
    answer = asked.post("/keep");
    asked.exchange->start_stream(200, {});
    asked.exchange->abort();
    CHECK(asked.answered.find("broke off") != std::string::npos);
    answer = asked.post("/keep");
    int n_gone = 0;
    asked.exchange->on_client_gone([&] { n_gone++; });
    asked.exchange->start_stream(200, {});
    const std::string piece(CollectedAnswer::kMaxBytes / 2 + 1, 'x');
    asked.exchange->write(piece);
    asked.exchange->write(piece);
    asked.exchange->write(piece);
    CHECK(n_gone == 1);
    CHECK(asked.answered.find("too large") != std::string::npos);
}
