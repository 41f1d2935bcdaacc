// Vectors of texts through the whole CUDA backend, against the slow forward in double.

#include "tests/unit/backend_vectors.h"
#include "gpu/cuda_backend.h"

using namespace qwend;

namespace {

std::unique_ptr<Backend> make(std::shared_ptr<const Checkpoint> checkpoint,
                              const BackendOptions& options) {
    return make_cuda_backend(*checkpoint, 0, options);
}

std::unique_ptr<Backend> make_deterministic(std::shared_ptr<const Checkpoint> checkpoint,
                                            BackendOptions options) {
    options.deterministic = true;
    return make_cuda_backend(*checkpoint, 0, options);
}

}  // namespace

TEST_CASE("cuda_backend: vectors of texts are those of the forward in double") {
    check_vectors(make);
    check_vectors(make_deterministic);
}
