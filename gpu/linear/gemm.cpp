#include "gpu/linear/gemm.h"

#include <cublasLt.h>
#include <dlfcn.h>

#include <map>
#include <tuple>

#include "gpu/cuda.h"
#include "gpu/linear/linear.h"
#include "model/error.h"

namespace qwend {

namespace {

constexpr size_t kWorkspaceBytes = size_t(32) << 20;  // what NVIDIA recommends for Hopper

[[noreturn]] void blas_fault(const char* call, cublasStatus_t status) {
    device_fault(std::string("cuBLASLt: ") + call + " failed with status " +
                 std::to_string(int(status)));
}

/// The functions of libcublasLt that are used, found at run time.
struct Library {
    void* handle;
#define QWEND_BLAS(name) decltype(&::name) name = nullptr;
#define QWEND_BLAS_FUNCTIONS                         \
    QWEND_BLAS(cublasLtCreate)                       \
    QWEND_BLAS(cublasLtDestroy)                      \
    QWEND_BLAS(cublasLtMatmul)                       \
    QWEND_BLAS(cublasLtMatmulDescCreate)             \
    QWEND_BLAS(cublasLtMatmulDescDestroy)            \
    QWEND_BLAS(cublasLtMatmulDescSetAttribute)       \
    QWEND_BLAS(cublasLtMatrixLayoutCreate)           \
    QWEND_BLAS(cublasLtMatrixLayoutDestroy)          \
    QWEND_BLAS(cublasLtMatmulPreferenceCreate)       \
    QWEND_BLAS(cublasLtMatmulPreferenceDestroy)      \
    QWEND_BLAS(cublasLtMatmulPreferenceSetAttribute) \
    QWEND_BLAS(cublasLtMatmulAlgoGetHeuristic)
    QWEND_BLAS_FUNCTIONS
#undef QWEND_BLAS

    Library() {
        const std::string major = std::to_string(CUDART_VERSION / 1000);
        const std::string name = "libcublasLt.so." + major;
        handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (!handle) handle = dlopen(("/usr/local/cuda/lib64/" + name).c_str(), RTLD_NOW);
        if (!handle)
            throw LoadError("expected " + name +
                            " of the CUDA Toolkit where the loader finds it, found none (" +
                            dlerror() + ")");
#define QWEND_BLAS(name)                                                  \
    if (!(name = reinterpret_cast<decltype(name)>(dlsym(handle, #name)))) \
        throw LoadError("libcublasLt has no " #name);
        QWEND_BLAS_FUNCTIONS
#undef QWEND_BLAS
#undef QWEND_BLAS_FUNCTIONS
    }
};

}  // namespace

#define BLAS_CHECK(call)                                                          \
    do {                                                                          \
        if (cublasStatus_t status_ = blas.call; status_ != CUBLAS_STATUS_SUCCESS) \
            blas_fault(#call, status_);                                           \
    } while (0)

struct Gemm::Impl {
    Library blas;
    cublasLtHandle_t handle = nullptr;
    cublasLtMatmulDesc_t operation = nullptr;
    DeviceBuffer<std::byte> workspace{kWorkspaceBytes};

    /// One shape: what it computes, and how. cuBLAS is column-major: yᵀ (n, rows) = W · xᵀ.
    struct Plan {
        cublasLtMatrixLayout_t weights, input, output;
        cublasLtMatmulAlgo_t algorithm;
    };
    using Key = std::tuple<int, int, int, GemmOutput>;  // rows, n, k
    std::map<Key, Plan> plans;

    Impl() {
        BLAS_CHECK(cublasLtCreate(&handle));
        BLAS_CHECK(cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F));
        const cublasOperation_t transposed = CUBLAS_OP_T;
        BLAS_CHECK(cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_TRANSA,
                                                  &transposed, sizeof transposed));
    }
    ~Impl() {
        if (device_lost()) return;
        for (auto& [key, plan] : plans)
            for (auto layout : {plan.weights, plan.input, plan.output})
                blas.cublasLtMatrixLayoutDestroy(layout);
        blas.cublasLtMatmulDescDestroy(operation);
        blas.cublasLtDestroy(handle);
    }

    Plan make_plan(const Key& key);
};

Gemm::Impl::Plan Gemm::Impl::make_plan(const Key& key) {
    const auto [rows, n, k, output] = key;
    const cudaDataType type = output == GemmOutput::bf16 ? CUDA_R_16BF : CUDA_R_32F;
    Plan plan;
    BLAS_CHECK(cublasLtMatrixLayoutCreate(&plan.weights, CUDA_R_16BF, k, n, k));
    BLAS_CHECK(cublasLtMatrixLayoutCreate(&plan.input, CUDA_R_16BF, k, rows, k));
    BLAS_CHECK(cublasLtMatrixLayoutCreate(&plan.output, type, n, rows, n));
    cublasLtMatmulPreference_t preference;
    BLAS_CHECK(cublasLtMatmulPreferenceCreate(&preference));
    BLAS_CHECK(cublasLtMatmulPreferenceSetAttribute(preference,
                                                    CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                    &kWorkspaceBytes, sizeof kWorkspaceBytes));
    cublasLtMatmulHeuristicResult_t guess;
    int n_found = 0;
    const cublasStatus_t status = blas.cublasLtMatmulAlgoGetHeuristic(
        handle, operation, plan.weights, plan.input, plan.output, plan.output, preference, 1,
        &guess, &n_found);
    blas.cublasLtMatmulPreferenceDestroy(preference);
    if (status != CUBLAS_STATUS_SUCCESS || n_found == 0)
        blas_fault("cublasLtMatmulAlgoGetHeuristic", status);
    plan.algorithm = guess.algo;
    return plan;
}

Gemm::Gemm() : impl_(std::make_unique<Impl>()) {}
Gemm::~Gemm() = default;

void Gemm::run(LinearWeights weights, const bf16* x, void* y, GemmOutput output, int n_rows,
               const Stream& stream) {
    const DenseWeights w = dense(weights);
    const Impl::Key key{n_rows, w.n, w.k, output};
    auto found = impl_->plans.find(key);
    if (found == impl_->plans.end()) found = impl_->plans.emplace(key, impl_->make_plan(key)).first;
    const Impl::Plan& plan = found->second;
    const float one = 1, beta = output == GemmOutput::add_f32 ? 1 : 0;
    if (cublasStatus_t status = impl_->blas.cublasLtMatmul(
            impl_->handle, impl_->operation, &one, w.data, plan.weights, x, plan.input, &beta, y,
            plan.output, y, plan.output, &plan.algorithm, impl_->workspace.get(), kWorkspaceBytes,
            stream);
        status != CUBLAS_STATUS_SUCCESS)
        blas_fault("cublasLtMatmul", status);
}

}  // namespace qwend
