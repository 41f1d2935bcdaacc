// Each activation against its formula in double.

#include "model/cpu/glu.h"

#include <doctest/doctest.h>

#include <vector>

#include "tests/unit/activation_twin.h"

using namespace qwend;

TEST_CASE("cpu_glu: every activation is its formula, for small, large and extreme gates") {
    std::vector<float> gates = {0, 1e-30f, -1e-30f, 90, -90, 1000, -1000, 3, -3, 6};
    for (float x = -12; x < 12; x += 0.0137f) gates.push_back(x);
    const size_t n = gates.size();
    std::vector<float> gate_up = gates;
    for (size_t i = 0; i < n; i++) gate_up.push_back(i % 2 ? 0.75f : -1.5f);
    for (const auto& [name, activation] : named_activations()) {
        CAPTURE(name);
        std::vector<float> out(n, NAN);
        glu(activation, gate_up.data(), int(n), out.data());
        double worst = 0;
        for (size_t i = 0; i < n; i++) {
            // An argument in the tens is rounded before it is an exponent.
            const double expected =
                activation_twin(activation, double(gates[i])) * double(gate_up[n + i]);
            const double bound = 2e-5 * std::fabs(expected) + 1e-7;
            const double ratio = std::fabs(double(out[i]) - expected) / bound;
            worst = std::isfinite(ratio) ? std::max(worst, ratio) : INFINITY;
        }
        CHECK(worst < 1);
    }
}
