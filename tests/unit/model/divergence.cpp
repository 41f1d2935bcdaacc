// One distribution beside another: what is known of them in closed form.

#include "model/divergence.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

using namespace qwend;

TEST_CASE("divergence: two distributions of two tokens") {
    Divergence found;
    const std::vector<float> p = {std::log(0.75f), std::log(0.25f)}, q = {5, 5};
    add_place(found, p, q, 0);
    CHECK(found.mean_kl() == doctest::Approx(0.75 * std::log(1.5) + 0.25 * std::log(0.5)));
    CHECK(found.perplexity() == doctest::Approx(2));
    CHECK(found.reference_perplexity() == doctest::Approx(1 / 0.75));
    add_place(found, q, p, -1);  // the text ends: no token counts
    CHECK(found.n_places == 2);
    CHECK(found.n_following == 1);
    CHECK(found.n_same == 2);
    CHECK(found.kl_most == doctest::Approx(0.5 * std::log(2 / 3.0) + 0.5 * std::log(2.0)));
}

TEST_CASE("divergence: of itself there is none, whatever is added to all logits") {
    std::mt19937 random(std::random_device{}());
    std::normal_distribution<float> normal(0, 5);
    Divergence found;
    for (int place = 0; place < 20; place++) {
        std::vector<float> logits(300), moved;
        for (float& logit : logits) logit = normal(random);
        for (float logit : logits) moved.push_back(logit + 64);
        add_place(found, logits, moved, place);
    }
    CHECK(found.kl_most < 1e-9);
    CHECK(found.kl_most >= 0);
    CHECK(found.share_same() == 1);
    CHECK(found.perplexity() == doctest::Approx(found.reference_perplexity()).epsilon(1e-5));
}

TEST_CASE("divergence: without a place nothing is expected") {
    CHECK(Divergence().mean_kl() == 0);
    CHECK(Divergence().perplexity() == 1);
}
