// Quantised checkpoints of every format through the whole CUDA backend, against the forward in
// double.

#include <random>

#include "tests/gpu/make_backend.h"
#include "tests/unit/gguf_checkpoint.h"
#include "tests/unit/quantized_checks.h"

using namespace qwend;

TEST_CASE("cuda_backend: quantised weights are what the forward in double makes of them") {
    const HashedShape shape{"quantised", 256, 4, 2, 384, true};
    for (const QuantizedFormat& format : quantized_formats())
        for (const BackendFactory& each :
             {BackendFactory(make), BackendFactory(make_deterministic)})
            check_quantized(each, format, shape, std::random_device{}(), 5e-3, false);
}

TEST_CASE("cuda_backend: GGUF files are what the forward in double makes of them") {
    check_gguf_files(make, false);
}

TEST_CASE("cuda_backend: numbers quantised at load are what the forward in double makes of them") {
    for (const QuantizeAtLoad& at_load : {QuantizeAtLoad{LinearKind::dense, true},
                                          {LinearKind::int8, false},
                                          {LinearKind::fp8, true},
                                          {LinearKind::int4, true}})
        for (const BackendFactory& each :
             {BackendFactory(make), BackendFactory(make_deterministic)})
            check_quantized_at_load(each, at_load,
                                    {"at load", 256, 4, 2, 384, at_load.layers == LinearKind::fp8},
                                    5e-3);
}
