// Why nothing can be generated, and whose reason is told.

#include "daemon/api/availability.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/started_model.h"

using namespace qwend;

namespace {

std::string code(const std::optional<ApiError>& error) {
    return error ? error->code : "none";
}

}  // namespace

TEST_CASE("availability: a model that is not ready says why, and others do not hinder it") {
    StartedModel ready, loading({.loads = false}), failed({.fails = true});
    const ModelRegistry registry({loading.model, failed.model, ready.model});
    const Availability availability(registry);
    CHECK(code(availability.why_not(*loading.model)) == "loading");
    CHECK(code(availability.why_not(*failed.model)) == "gpu_failed");
    CHECK(code(availability.why_not(*ready.model)) == "none");
    CHECK(code(availability.why_not()) == "none");
    const auto error = availability.why_not(*loading.model);
    CHECK(error->status == 503);
    CHECK(error->type == "unavailable_error");
    CHECK(error->message == "the server is not ready: loading");
}

TEST_CASE("availability: where no model can, the first one's reason is told") {
    StartedModel loading({.loads = false}), failed({.fails = true});
    const ModelRegistry one({loading.model, failed.model}), other({failed.model, loading.model});
    CHECK(code(Availability(one).why_not()) == "loading");
    CHECK(code(Availability(other).why_not()) == "gpu_failed");
}

TEST_CASE("availability: draining is a reason, and a failure a worse one") {
    StartedModel ready, loading({.loads = false}), failed({.fails = true});
    const ModelRegistry registry({ready.model, loading.model, failed.model});
    Availability availability(registry);
    availability.start_draining();
    CHECK(code(availability.why_not(*ready.model)) == "draining");
    CHECK(code(availability.why_not(*loading.model)) == "draining");
    CHECK(code(availability.why_not(*failed.model)) == "gpu_failed");
    CHECK(code(availability.why_not()) == "draining");
}
