#include "daemon/engine/vector_head.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <vector>

namespace qwend {

TEST_CASE("vector head: all vectors of a step go through it at once, and each finds its own") {
    int n_calls = 0;
    const VectorHead sums = [&n_calls](std::span<const float> vectors) {
        ++n_calls;
        std::vector<float> made;
        for (size_t i = 0; i < vectors.size(); i += 2) made.push_back(vectors[i] + vectors[i + 1]);
        return made;
    };
    CHECK(head_size(sums, 2) == 1);
    CHECK(head_size({}, 7) == 7);
    n_calls = 0;
    std::vector<StepOutput> outputs(4);
    outputs[0].event.vectors = {1, 2};
    outputs[2].event.vectors = {3, 4, 5, 6};
    outputs[3].event.sampled.token = 9;
    apply_head(sums, 2, outputs);
    CHECK(n_calls == 1);
    CHECK(outputs[0].event.vectors == std::vector<float>{3});
    CHECK(outputs[1].event.vectors.empty());
    CHECK(outputs[2].event.vectors == std::vector<float>{7, 11});
    apply_head({}, 2, outputs);
    CHECK(outputs[2].event.vectors == std::vector<float>{7, 11});
    outputs.resize(2), outputs[0].event.vectors.clear();
    apply_head(sums, 2, outputs);
    CHECK(n_calls == 1);
}

}  // namespace qwend
