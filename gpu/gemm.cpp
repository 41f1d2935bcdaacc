#include "gpu/gemm.h"

#include <cublasLt.h>
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <vector>

#include "gpu/cuda.h"
#include "model/error.h"

namespace qwend {

namespace {

constexpr size_t kWorkspaceBytes = size_t(32) << 20;  // what NVIDIA recommends for Hopper
constexpr int kCandidates = 6;                        // guesses that are timed
constexpr int kTimedRuns = 3;

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

    std::vector<cublasLtMatmulAlgo_t> candidates(const Plan& plan);
    void choose(Plan& plan, RowWeights weights, const bf16* x, GemmOutput output, int n_rows,
                cudaStream_t stream);
    cublasStatus_t multiply(const Plan& plan, const cublasLtMatmulAlgo_t& algorithm,
                            const bf16* weights, const bf16* x, void* y, bool add,
                            cudaStream_t stream);
};

cublasStatus_t Gemm::Impl::multiply(const Plan& plan, const cublasLtMatmulAlgo_t& algorithm,
                                    const bf16* weights, const bf16* x, void* y, bool add,
                                    cudaStream_t stream) {
    const float one = 1, beta = add ? 1 : 0;
    return blas.cublasLtMatmul(handle, operation, &one, weights, plan.weights, x, plan.input, &beta,
                               y, plan.output, y, plan.output, &algorithm, workspace.get(),
                               kWorkspaceBytes, stream);
}

std::vector<cublasLtMatmulAlgo_t> Gemm::Impl::candidates(const Plan& plan) {
    cublasLtMatmulPreference_t preference;
    BLAS_CHECK(cublasLtMatmulPreferenceCreate(&preference));
    BLAS_CHECK(cublasLtMatmulPreferenceSetAttribute(preference,
                                                    CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                    &kWorkspaceBytes, sizeof kWorkspaceBytes));
    std::array<cublasLtMatmulHeuristicResult_t, kCandidates> found;
    int n_found = 0;
    const cublasStatus_t status = blas.cublasLtMatmulAlgoGetHeuristic(
        handle, operation, plan.weights, plan.input, plan.output, plan.output, preference,
        kCandidates, found.data(), &n_found);
    blas.cublasLtMatmulPreferenceDestroy(preference);
    if (status != CUBLAS_STATUS_SUCCESS || n_found == 0)
        blas_fault("cublasLtMatmulAlgoGetHeuristic", status);
    std::vector<cublasLtMatmulAlgo_t> algorithms;
    for (int i = 0; i < n_found; i++) algorithms.push_back(found[i].algo);
    return algorithms;
}

void Gemm::Impl::choose(Plan& plan, RowWeights weights, const bf16* x, GemmOutput output,
                        int n_rows, cudaStream_t stream) {
    const DeviceBuffer<float> y(size_t(n_rows) * weights.n);
    const Event began(cudaEventDefault), ended(cudaEventDefault);
    float best = INFINITY;
    for (const cublasLtMatmulAlgo_t& algorithm : candidates(plan)) {
        float elapsed = INFINITY;
        for (int run = 0; run <= kTimedRuns; run++) {
            CUDA_CHECK(cudaEventRecord(began, stream));
            const cublasStatus_t status = multiply(plan, algorithm, weights.data, x, y.get(),
                                                   output == GemmOutput::add_f32, stream);
            if (status == CUBLAS_STATUS_EXECUTION_FAILED) blas_fault("cublasLtMatmul", status);
            if (status != CUBLAS_STATUS_SUCCESS) break;  // a guess may not run after all
            CUDA_CHECK(cudaEventRecord(ended, stream));
            CUDA_CHECK(cudaEventSynchronize(ended));
            float ms = 0;
            CUDA_CHECK(cudaEventElapsedTime(&ms, began, ended));
            if (run > 0) elapsed = std::min(elapsed, ms);  // the first loads the kernel
        }
        if (elapsed < best) best = elapsed, plan.algorithm = algorithm;
    }
    if (best == INFINITY) blas_fault("cublasLtMatmul", CUBLAS_STATUS_NOT_SUPPORTED);
}

Gemm::Gemm() : impl_(std::make_unique<Impl>()) {}
Gemm::~Gemm() = default;

void Gemm::run(RowWeights weights, const bf16* x, void* y, GemmOutput output, int n_rows,
               cudaStream_t stream) {
    auto& blas = impl_->blas;
    auto [found, is_new] = impl_->plans.try_emplace({n_rows, weights.n, weights.k, output});
    Impl::Plan& plan = found->second;
    if (is_new) {
        const cudaDataType type = output == GemmOutput::bf16 ? CUDA_R_16BF : CUDA_R_32F;
        BLAS_CHECK(cublasLtMatrixLayoutCreate(&plan.weights, CUDA_R_16BF, weights.k, weights.n,
                                              weights.k));
        BLAS_CHECK(
            cublasLtMatrixLayoutCreate(&plan.input, CUDA_R_16BF, weights.k, n_rows, weights.k));
        BLAS_CHECK(cublasLtMatrixLayoutCreate(&plan.output, type, weights.n, n_rows, weights.n));
        impl_->choose(plan, weights, x, output, n_rows, stream);
    }
    if (cublasStatus_t status = impl_->multiply(plan, plan.algorithm, weights.data, x, y,
                                                output == GemmOutput::add_f32, stream);
        status != CUBLAS_STATUS_SUCCESS)
        blas_fault("cublasLtMatmul", status);
}

}  // namespace qwend
