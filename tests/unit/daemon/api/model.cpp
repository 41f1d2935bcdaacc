// How much context a model really has.

#include "daemon/api/model.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/started_model.h"

using namespace qwend;

TEST_CASE("model: its context is the checkpoint's, or the pool's if that is smaller") {
    const int longest = demo_text()->max_model_len;
    REQUIRE(longest == 4096);
    CHECK(StartedModel({.loads = false}).model->context_limit() == longest);
    CHECK(StartedModel({.info = fake_info(4, 256, 64, 4, 1)}).model->context_limit() == 4 * 256);
    CHECK(StartedModel({.info = fake_info(16, 256, 64, 4, 1)}).model->context_limit() == longest);
    CHECK(StartedModel({.info = fake_info(16, 257, 64, 4, 1)}).model->context_limit() == longest);
}
