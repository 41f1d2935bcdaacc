// The CUDA backend's steps beside their ceilings: decode of batches against reading the weights and
// the cache once, prefill against the rate of its products. usage: bench-gpu_engine CHECKPOINT
// [STREAMS] [deterministic]

#include <cuda_runtime.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "gpu/cuda.h"
#include "gpu/cuda_backend.h"

using namespace qwend;

namespace {

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// Bytes a second of a large copy, read and written.
double copy_bandwidth() {
    DeviceBuffer<std::byte> from(size_t(1) << 30), to(from.size());
    double best = 0;
    for (int i = 0; i < 5; i++) {
        CUDA_CHECK(cudaDeviceSynchronize());
        const double began = seconds();
        CUDA_CHECK(cudaMemcpyAsync(to.get(), from.get(), from.size(), cudaMemcpyDeviceToDevice));
        CUDA_CHECK(cudaDeviceSynchronize());
        best = std::max(best, 2 * double(from.size()) / (seconds() - began));
    }
    return best;
}

/// Sequences that decode together, as the scheduler would run them: one step ahead.
class Decoder {
  public:
    Decoder(Backend& backend, int n, int n_context, const SamplingParams& params)
        : backend_(backend), n_(n), position_(n_context), params_(params) {
        const int block_size = backend.info().block_size;
        n_table_ = (n_context + 2048) / block_size + 1;
        prompt_.assign(size_t(n_context), 5);
        output_.assign(4096, 5);
        run_++;
    }

    /// Median seconds of a step.
    double run(int n_steps) {
        std::vector<double> times;
        StepResult result;
        launch();
        double before = seconds();
        for (int i = 0; i < n_steps; i++) {
            launch();
            backend_.collect(result);
            const double now = seconds();
            times.push_back(now - before);
            before = now;
        }
        backend_.collect(result);
        std::nth_element(times.begin(), times.begin() + n_steps / 2, times.end());
        return times[size_t(n_steps / 2)];
    }

  private:
    void launch() {
        const int block_size = backend_.info().block_size;
        batch_.clear();
        for (int s = 0; s < n_; s++) {
            BatchSequence row;
            row.lane = s, row.run = run_, row.query_begin = s, row.n_query = 1;
            row.n_context = position_ + 1;
            row.block_table_begin = int(batch_.block_tables.size());
            const int n_blocks = (row.n_context + block_size - 1) / block_size;
            auto block = [&](int i) { return (s * n_table_ + i) % backend_.info().n_blocks; };
            for (int b = 0; b < n_blocks; b++) batch_.block_tables.push_back(block(b));
            batch_.tokens.push_back(n_output_ == 0 ? 1000 + s : -1 - s);
            batch_.positions.push_back(position_);
            batch_.slots.push_back(block(position_ / block_size) * block_size +
                                   position_ % block_size);
            row.sampling = &params_;
            row.prompt = prompt_;
            row.output = std::span(output_).first(size_t(n_output_));
            batch_.sequences.push_back(row);
        }
        backend_.launch(batch_);
        position_++, n_output_++;
    }

    static inline uint64_t run_ = 0;
    Backend& backend_;
    int n_, position_, n_table_ = 0, n_output_ = 0;
    SamplingParams params_;
    std::vector<int32_t> prompt_, output_;
    Batch batch_;
};

/// Best seconds of a prefill of n tokens.
double prefill_seconds(Backend& backend, int n) {
    static uint64_t run = 1 << 20;
    SamplingParams greedy;
    greedy.temperature = 0;
    const int block_size = backend.info().block_size;
    double best = 1e9;
    for (int turn = 0; turn < 5; turn++) {
        Batch batch;
        const std::vector<int32_t> prompt(size_t(n), 7);
        BatchSequence row;
        row.run = run++, row.n_query = n, row.n_context = n;
        for (int i = 0; i < n; i++) {
            batch.tokens.push_back(1000 + i * 7 % 3000);
            batch.positions.push_back(i), batch.slots.push_back(i);
        }
        for (int b = 0; b < (n + block_size - 1) / block_size; b++) batch.block_tables.push_back(b);
        row.sampling = &greedy, row.prompt = prompt;
        batch.sequences = {row};
        StepResult result;
        const double began = seconds();
        backend.step(batch, result);
        best = std::min(best, seconds() - began);
    }
    return best;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return 64;
    std::vector<int> streams = {1, 2, 4, 8, 16, 32, 64, 128, 256};
    bool deterministic = false;
    for (int i = 2; i < argc; i++) {
        if (std::string(argv[i]) == "deterministic")
            deterministic = true;
        else
            streams = {std::atoi(argv[i])};
    }
    const double bandwidth = copy_bandwidth();
    auto checkpoint = std::make_shared<const Checkpoint>(open_checkpoint(argv[1]));
    BackendOptions options;
    options.max_sequences = 256, options.max_step_tokens = 4096, options.max_context = 32768;
    options.deterministic = deterministic;
    const double began = seconds();
    auto backend = make_cuda_backend(*checkpoint, 0, options);
    const BackendInfo& info = backend->info();
    fmt::print(
        "engine   {}, loaded in {:.2f} s, weights {} MiB, KV cache {} tokens; copy {:.0f} GB/s\n",
        info.device, seconds() - began, info.weight_bytes >> 20, info.n_blocks * info.block_size,
        bandwidth * 1e-9);
    int n_pieces = 0;
    double longest = 0, prepared = 0;
    for (bool more = true; more; n_pieces++) {
        const double piece_began = seconds();
        more = backend->prepare();
        const double spent = seconds() - piece_began;
        longest = std::max(longest, spent), prepared += spent;
    }
    fmt::print("prepare  {} sizes in {:.0f} ms, the longest {:.1f} ms\n", n_pieces, prepared * 1e3,
               longest * 1e3);
    SamplingParams greedy, usual;
    greedy.temperature = 0;
    usual.temperature = 0.7f, usual.top_p = 0.8f, usual.top_k = 20, usual.repetition_penalty = 1.1f;
    for (int n : streams) {
        constexpr int kContext = 512, kSteps = 100, kTurns = 5;
        // In turns, because the clock follows the temperature; the first warms up.
        double plain = 0, sampled = 0;
        for (int turn = 0; turn <= kTurns; turn++) {
            const double spent = Decoder(*backend, n, kContext, greedy).run(kSteps);
            const double spent_sampling = Decoder(*backend, n, kContext, usual).run(kSteps);
            if (turn > 0) plain += spent / kTurns, sampled += spent_sampling / kTurns;
        }
        const double bytes =
            double(info.weight_bytes) + double(n) * kContext * double(info.kv_bytes_per_token);
        fmt::print(
            "decode   {:3} streams: {:7.0f} us, {:6.0f} tok/s, {:3.0f}% of bandwidth; sampled "
            "{:6.0f} tok/s ({:+.1f}%)\n",
            n, plain * 1e6, n / plain, 100 * bytes / bandwidth / plain, n / sampled,
            100 * (plain / sampled - 1));
    }
    for (int n : {32, 128, 512, 2048, 4096}) {
        const double spent = prefill_seconds(*backend, n);
        const double flops = 2.0 * n * double(info.weight_bytes) / 2;
        fmt::print("prefill  {:4} tokens: {:6.2f} ms, {:6.0f} tok/s, products at {:.0f} TFLOP/s\n",
                   n, spent * 1e3, n / spent, flops / spent * 1e-12);
    }
}
