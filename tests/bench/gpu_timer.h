#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <vector>

#include "gpu/cuda.h"

namespace qwend {

/// Times kernels in CUDA graphs of many launches, one after the other as in a step: no time of the
/// host's is in it, and a kernel may load its weights while the one before it ends.
class GpuTimer {
  public:
    static constexpr int kMinLaunches = 20;

    /// Seconds of one launch, the median over runs of a graph of at least n_launches; launch(i,
    /// stream) makes the i-th. It is called once before, to choose or load what it needs.
    template <class Launch>
    double seconds(int n_launches, Launch launch) {
        n_launches = std::max(n_launches, kMinLaunches);
        CUDA_CHECK(cudaDeviceSynchronize());  // what was copied on the default stream
        launch(0, stream_);
        stream_.synchronize();
        cudaGraph_t graph = nullptr;
        cudaGraphExec_t executable = nullptr;
        CUDA_CHECK(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
        for (int i = 0; i < n_launches; i++) launch(i, stream_);
        CUDA_CHECK(cudaStreamEndCapture(stream_, &graph));
        CUDA_CHECK(cudaGraphInstantiate(&executable, graph, 0));
        std::vector<double> runs;
        double total = 0;
        run(executable);  // the first takes the graph to the device
        while (runs.size() < kMinRuns || (total < kMinSeconds && runs.size() < kMaxRuns)) {
            runs.push_back(run(executable));
            total += runs.back();
        }
        CUDA_CHECK(cudaGraphExecDestroy(executable));
        CUDA_CHECK(cudaGraphDestroy(graph));
        std::nth_element(runs.begin(), runs.begin() + runs.size() / 2, runs.end());
        return runs[runs.size() / 2] / n_launches;
    }

    const Stream& stream() const { return stream_; }

  private:
    static constexpr size_t kMinRuns = 5, kMaxRuns = 50;
    static constexpr double kMinSeconds = 0.03;

    double run(cudaGraphExec_t executable) {
        float ms = 0;
        CUDA_CHECK(cudaEventRecord(began_, stream_));
        CUDA_CHECK(cudaGraphLaunch(executable, stream_));
        CUDA_CHECK(cudaEventRecord(ended_, stream_));
        CUDA_CHECK(cudaEventSynchronize(ended_));
        CUDA_CHECK(cudaEventElapsedTime(&ms, began_, ended_));
        return double(ms) * 1e-3;
    }

    Stream stream_{use_device(0)};
    Event began_{cudaEventDefault}, ended_{cudaEventDefault};
};

/// What one launch moves and computes at least.
struct Work {
    double bytes, flops = 0;
};

struct Ceilings {
    double bytes, flops;  // a second

    /// One line: the time, and the rate of whichever is closer to its ceiling.
    void print(const std::string& kernel, const std::string& shape, int rows, double seconds,
               Work work) const {
        const double bytes_part = work.bytes / seconds / bytes;
        const double flops_part = work.flops / seconds / flops;
        const bool reads = bytes_part >= flops_part;
        fmt::print("{:<36} {:<15} {:>5} rows {:>10.2f} us {:>7.1f} {:<8} {:>6.1f}%\n", kernel,
                   shape, rows, seconds * 1e6,
                   reads ? work.bytes / seconds * 1e-9 : work.flops / seconds * 1e-12,
                   reads ? "GB/s" : "TFLOP/s", 100 * std::max(bytes_part, flops_part));
    }
};

}  // namespace qwend
