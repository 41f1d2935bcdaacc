#include "daemon/api/vector_values.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <random>
#include <string>
#include <vector>

using namespace qwend;

TEST_CASE("vector values: lengths, cuts and cosines") {
    std::vector<float> vector = {3, 0, 4};
    normalize(vector);
    CHECK(vector == std::vector<float>{0.6f, 0, 0.8f});
    std::vector<float> zeros(3);
    normalize(zeros);
    CHECK(zeros == std::vector<float>(3));
    cut(vector, 2);
    CHECK(vector.size() == 2);
    cut(vector, 7);
    CHECK(vector.size() == 2);
    cut(vector, {});
    CHECK(vector.size() == 2);
    CHECK(cosine(std::vector<float>{1, 0}, std::vector<float>{2, 2}) ==
          doctest::Approx(std::sqrt(0.5)));
    CHECK(cosine(std::vector<float>{1, 0}, std::vector<float>{0, 0}) == 0);
}

TEST_CASE("vector values: scores become probabilities as the checkpoint says") {
    ModelConfig config;
    CHECK(score_activation(config, 1) == ScoreActivation::sigmoid);
    CHECK(score_activation(config, 2) == ScoreActivation::softmax);
    config.problem_type = "regression";
    CHECK(score_activation(config, 1) == ScoreActivation::none);
    config.problem_type = "multi_label_classification";
    CHECK(score_activation(config, 3) == ScoreActivation::sigmoid);
    config.problem_type = "single_label_classification";
    CHECK(score_activation(config, 1) == ScoreActivation::softmax);
    std::vector<float> scores = {1000, 999, -1000};
    activate_scores(ScoreActivation::softmax, scores);
    CHECK(scores[0] == doctest::Approx(1 / (1 + std::exp(-1.0))));
    CHECK(scores[2] == 0);
    scores = {0, -1000, 1000};
    activate_scores(ScoreActivation::sigmoid, scores);
    CHECK(scores == std::vector<float>{0.5f, 0, 1});
    activate_scores(ScoreActivation::none, scores);
    CHECK(scores == std::vector<float>{0.5f, 0, 1});
}

TEST_CASE("vector values: numbers read back the same, from text and from base64") {
    std::mt19937 random(std::random_device{}());
    for (size_t n = 0; n < 50; n++) {
        std::vector<float> numbers(n);
        std::normal_distribution<float> normal;
        for (float& x : numbers) x = normal(random) * std::exp2(float(random() % 60) - 30);
        std::string text, base64;
        append_numbers(text, numbers), append_base64(base64, numbers);
        size_t at = 1;
        for (const float x : numbers) {
            size_t n_read = 0;
            CHECK(std::stof(text.substr(at), &n_read) == x);
            at += n_read + 1;
        }
        CHECK(base64.size() == 2 + (n * 4 + 2) / 3 * 4);
    }
    std::string out;
    append_base64(out, std::vector<float>{1, -2.5f});
    CHECK(out == "\"AACAPwAAIMA=\"");  // 00 00 80 3f 00 00 20 c0
    out.clear();
    append_numbers(out, std::vector<float>{1, -2.5f, 0.1f});
    CHECK(out == "[1,-2.5,0.1]");
}
