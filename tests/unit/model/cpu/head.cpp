// What vectors go through behind a model: its own head, and a folder's dense layers.

#include "model/cpu/head.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "model/bf16.h"
#include "model/safetensors.h"
#include "tests/unit/checkpoint_files.h"
#include "tests/unit/hashed_checkpoint.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

/// A safetensors file of one linear layer, f32, whose numbers `random` draws: rounded to bf16, so
/// that products are exact enough on any path.
struct Layer {
    int n, k;
    std::vector<float> weight, bias;

    Layer(int n_out, int n_in, std::mt19937& random) : n(n_out), k(n_in) {
        std::normal_distribution<float> normal(0, 1 / std::sqrt(float(k)));
        for (int i = 0; i < n * k; i++)
            weight.push_back(bf16_to_float(float_to_bf16(normal(random))));
        for (int i = 0; i < n; i++) bias.push_back(normal(random));
    }
    std::string header(const std::string& name, size_t at) const {
        const size_t middle = at + weight.size() * 4, end = middle + bias.size() * 4;
        return "\"" + name + R"(.weight":{"dtype":"F32","shape":[)" + std::to_string(n) + "," +
               std::to_string(k) + R"(],"data_offsets":[)" + std::to_string(at) + "," +
               std::to_string(middle) + "]},\"" + name + R"(.bias":{"dtype":"F32","shape":[)" +
               std::to_string(n) + R"(],"data_offsets":[)" + std::to_string(middle) + "," +
               std::to_string(end) + "]}";
    }
    std::string data() const {
        std::string bytes((weight.size() + bias.size()) * 4, '\0');
        std::memcpy(bytes.data(), weight.data(), weight.size() * 4);
        std::memcpy(bytes.data() + weight.size() * 4, bias.data(), bias.size() * 4);
        return bytes;
    }
    std::vector<float> apply(const std::vector<float>& x) const {
        std::vector<float> y(bias);
        for (int i = 0; i < n; i++)
            for (int j = 0; j < k; j++) y[size_t(i)] += weight[size_t(i * k + j)] * x[size_t(j)];
        return y;
    }
};

}  // namespace

TEST_CASE("head: a checkpoint without one leaves vectors as they are") {
    HashedCheckpoint hashed(golden_shapes()[0]);
    Head head(*hashed.checkpoint);
    CHECK(head.empty());
    CHECK(head.apply(std::vector<float>{1, 2, 3}) == std::vector<float>{1, 2, 3});
}

TEST_CASE("head: layers follow one another, for any number of vectors") {
    std::mt19937 random(7);
    constexpr int kHidden = 256;
    const Layer first(kHidden, kHidden, random), second(2, kHidden, random);
    TempDir dir;
    std::string header = "{" + first.header("score.0", 0);
    header += "," + second.header("score.2", first.data().size()) + "}";
    dir.write("model.safetensors", file_of(header, first.data() + second.data()));
    Checkpoint checkpoint{{}, open_safetensors(dir.path()), {}, {}, {}};
    const auto layer = [&](const char* name, const Layer& made, Activation activation) {
        HeadLayer stored{{LinearKind::dense, made.n, made.k, {}, {}}, activation};
        stored.linear.weight = *checkpoint.files.find(std::string(name) + ".weight");
        stored.linear.bias = *checkpoint.files.find(std::string(name) + ".bias");
        return stored;
    };
    checkpoint.weights.head = {layer("score.0", first, Activation::relu),
                               layer("score.2", second, Activation::linear)};
    Head head(checkpoint);
    for (const int n_rows : {1, 2, 3, 5, 33}) {
        std::vector<float> rows;
        std::normal_distribution<float> normal;
        for (int i = 0; i < n_rows * kHidden; i++)
            rows.push_back(bf16_to_float(float_to_bf16(normal(random))));
        const std::vector<float> made = head.apply(rows);
        REQUIRE(made.size() == size_t(n_rows) * 2);
        for (int row = 0; row < n_rows; row++) {
            const auto begin = rows.begin() + row * kHidden;
            std::vector<float> inner = first.apply({begin, begin + kHidden});
            for (float& x : inner) x = std::max(x, 0.0f);
            const std::vector<float> expected = second.apply(inner);
            for (int i = 0; i < 2; i++)
                CHECK(made[size_t(row * 2 + i)] ==
                      doctest::Approx(expected[size_t(i)]).epsilon(0.02).scale(1));
        }
    }
}
