// Vectors of texts through the whole CUDA backend, against the slow forward in double.

#include "tests/unit/backend_vectors.h"
#include "tests/gpu/make_backend.h"

using namespace qwend;

TEST_CASE("cuda_backend: vectors of texts are those of the forward in double") {
    check_vectors(make);
    check_vectors(make_deterministic);
}
