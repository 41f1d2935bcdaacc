// The CPU backend beside its ceilings, measured in turn: decode against reading as many bytes,
// prefill against the rate oneDNN reaches on the model's own products, 8 streams against one.
// usage: bench-engine_cpu CHECKPOINT

#include <fmt/core.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "model/cpu/cpu_backend.h"
#include "model/cpu/linear.h"
#include "model/cpu/weights.h"

using namespace qwend;

namespace {

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// Seconds all threads need to read `memory` together.
double read_seconds(const std::vector<uint64_t>& memory) {
    uint64_t sum = 0;
    const double began = seconds();
#pragma omp parallel for reduction(+ : sum) schedule(static)
    for (size_t i = 0; i < memory.size(); i++) sum += memory[i];
    const double spent = seconds() - began;
    return sum == memory.size() ? spent : 0;
}

/// The four products of one layer.
class LayerProducts {
  public:
    explicit LayerProducts(const Checkpoint& checkpoint) {
        const LayerWeights& w = checkpoint.weights.layers[0];
        TensorBuffer buffer(checkpoint.files);
        parts_.emplace_back(load_linear(buffer, {&w.q, &w.k, &w.v}));
        parts_.emplace_back(load_linear(buffer, {&w.o}));
        parts_.emplace_back(load_linear(buffer, {&w.gate, &w.up}));
        parts_.emplace_back(load_linear(buffer, {&w.down}));
    }
    /// Seconds oneDNN needs for them with `rows` rows.
    double run_seconds(int rows) {
        double total = 0;
        for (CpuLinear& linear : parts_) {
            std::vector<float> x(size_t(rows) * linear.k(), 0.5f), y(size_t(rows) * linear.n());
            linear.apply(workspace_, x.data(), rows, y.data());  // makes the primitive
            const double began = seconds();
            linear.apply(workspace_, x.data(), rows, y.data());
            total += seconds() - began;
        }
        return total;
    }

  private:
    std::vector<CpuLinear> parts_;
    LinearWorkspace workspace_;
};

/// Seconds of one step over sequences with `n_query` new tokens after `n_before` old ones.
double step_seconds(Backend& backend, int n_sequences, int n_before, int n_query) {
    static SamplingParams greedy;
    greedy.temperature = 0;
    const int block_size = backend.info().block_size;
    const int n_context = n_before + n_query, n_table = (n_context + block_size - 1) / block_size;
    const std::vector<int32_t> prompt(1, 5);
    Batch batch;
    for (int s = 0; s < n_sequences; s++) {
        BatchSequence row;
        row.lane = s, row.n_query = n_query, row.n_context = n_context;
        row.query_begin = int(batch.tokens.size());
        row.block_table_begin = int(batch.block_tables.size());
        for (int b = 0; b < n_table; b++) batch.block_tables.push_back(s * n_table + b);
        for (int i = n_before; i < n_context; i++) {
            batch.tokens.push_back(1000 + i * 7 % 3000);
            batch.positions.push_back(i);
            batch.slots.push_back(s * n_table * block_size + i);
        }
        row.sampling = &greedy;
        row.prompt = prompt;
        batch.sequences.push_back(row);
    }
    StepResult result;
    const double began = seconds();
    backend.step(batch, result);
    return seconds() - began;
}

double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + ptrdiff_t(values.size() / 2), values.end());
    return values[values.size() / 2];
}

/// A step and its ceiling in turn, since machines change their speed from second to second.
struct Pairs {
    std::vector<double> step, ceiling, ratio;
    void add(double step_time, double ceiling_time) {
        step.push_back(step_time), ceiling.push_back(ceiling_time);
        ratio.push_back(ceiling_time / step_time);
    }
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 64;
    auto checkpoint = std::make_shared<const Checkpoint>(open_checkpoint(argv[1]));
    const int layers = checkpoint->config.n_layers;
    constexpr int kPrompt = 512, kRounds = 25, kPrefillRounds = 5;
    BackendOptions options;
    options.max_context = 2048;
    const double began = seconds();
    auto backend = make_cpu_backend(*checkpoint, options);
    const double weight_bytes = double(backend->info().weight_bytes);
    fmt::print("engine     {}, loaded in {:.2f} s, weights {:.0f} MiB\n", backend->info().device,
               seconds() - began, weight_bytes / (1 << 20));

    const std::vector<uint64_t> memory(size_t(weight_bytes) / 8, 1);
    for (int n : {1, 8}) step_seconds(*backend, n, 128, 1);  // makes primitives, touches memory
    Pairs decode;
    std::vector<double> gain;
    for (int i = 0; i < kRounds; i++) {
        decode.add(step_seconds(*backend, 1, 128, 1), read_seconds(memory));
        gain.push_back(8 * decode.step.back() / step_seconds(*backend, 8, 128, 1));
    }
    fmt::print("decode     {:.1f} tok/s, {:.0f}% of {:.1f} (reading as many bytes, {:.1f} GB/s)\n",
               1 / median(decode.step), 100 * median(decode.ratio), 1 / median(decode.ceiling),
               weight_bytes / median(decode.ceiling) * 1e-9);
    fmt::print("8 streams  {:.1f} times one\n", median(gain));

    LayerProducts products(*checkpoint);
    step_seconds(*backend, 1, 0, kPrompt);
    Pairs prefill;
    for (int i = 0; i < kPrefillRounds; i++)
        prefill.add(step_seconds(*backend, 1, 0, kPrompt), products.run_seconds(kPrompt) * layers);
    fmt::print("prefill    {:.0f} tok/s of {} tokens, {:.0f}% of {:.0f} (oneDNN on its products)\n",
               kPrompt / median(prefill.step), kPrompt, 100 * median(prefill.ratio),
               kPrompt / median(prefill.ceiling));

    Pairs after;  // a long prompt leaves large buffers, which small steps must not pay for
    for (int i = 0; i < kRounds; i++)
        after.add(step_seconds(*backend, 1, 128, 1), read_seconds(memory));
    fmt::print("decode     {:.1f} tok/s after that prompt, {:.0f}% of reading: {:.2f} of before\n",
               1 / median(after.step), 100 * median(after.ratio),
               median(after.ratio) / median(decode.ratio));
}
