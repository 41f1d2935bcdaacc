#include "daemon/api/batches/service.h"

#include <doctest/doctest.h>

#include <string>

#include "model/error.h"
#include "tests/unit/daemon/api/api_harness.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

TEST_CASE("service: two cannot have one folder, and one after the other can") {
    const TempDir dir;
    EventLoop loop;
    LoopMetrics metrics;
    const ModelRegistry models({});
    Options options;
    options.state_directory = dir.path();
    const auto serve = [&] {
        return std::make_unique<Api>(loop, models, metrics, options, std::vector<std::string>());
    };
    {
        const auto one = serve();
        CHECK(one->n_in_flight() == 0);
        CHECK_THROWS_AS(serve(), LoadError);
    }
    const auto again = serve();
}

TEST_CASE("service: routes that are not offered say why") {
    const auto routes = state_routes(nullptr);
    CHECK(routes.size() == 8);
    for (const Route& route : routes)
        CHECK(route.off.find("state-directory") != std::string_view::npos);
}
