#include "daemon/did_you_mean.h"

#include <doctest/doctest.h>

using namespace qwend;

TEST_CASE("did_you_mean: the nearest by spelling, what others call it, or nothing") {
    const std::vector<std::string> names = {"model", "listen", "max-queue", "max-body", "threads"};
    CHECK(did_you_mean("max-qeue", names) == "max-queue");
    CHECK(did_you_mean("MAX_BODY", names) == "max-body");
    CHECK(did_you_mean("modell", names) == "model");
    CHECK(did_you_mean("host", names) == "listen");
    CHECK(did_you_mean("api-key", names).empty());  // what it is here is none of the names
    CHECK(did_you_mean("tensor-parallel-size", names).empty());
    CHECK(did_you_mean("", names).empty());
    CHECK(did_you_mean(std::string(100000, 'x'), names).empty());
}
