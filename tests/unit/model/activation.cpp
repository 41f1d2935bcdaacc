// The names of activations.

#include "model/activation.h"

#include <doctest/doctest.h>

#include <set>

using namespace qwend;

TEST_CASE("activation: every name is found, those of one function as one") {
    std::set<Activation> found;
    for (const auto& [name, activation] : named_activations()) {
        CHECK(find_activation(name) == activation);
        found.insert(activation);
    }
    CHECK(found.size() == size_t(Activation::tanh) + 1);
    CHECK(find_activation("swish") == Activation::silu);
    CHECK(find_activation("gelu") == Activation::gelu);
    for (const char* name : {"gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh"})
        CHECK(find_activation(name) == Activation::gelu_tanh);
    for (const char* name : {"", "SiLU", "prelu", "xielu", "elu", "gelu_pytorch"})
        CHECK_FALSE(find_activation(name));
}
