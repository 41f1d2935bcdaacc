// The CPU backend beside its ceilings, all measured in this run: decode against the read bandwidth,
// prefill against the rate oneDNN reaches on the model's own products, 8 streams against one.
// usage: bench-engine_cpu CHECKPOINT

#include <fmt/core.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "model/cpu_backend.h"
#include "model/cpu_linear.h"

using namespace qwend;

namespace {

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// Bytes per second all threads read from memory together, the best of five passes.
double read_bandwidth() {
    std::vector<uint64_t> memory(size_t(1) << 27, 1);
    double best = 0;
    for (int pass = 0; pass < 5; pass++) {
        uint64_t sum = 0;
        const double began = seconds();
#pragma omp parallel for reduction(+ : sum) schedule(static)
        for (size_t i = 0; i < memory.size(); i++) sum += memory[i];
        const double spent = seconds() - began;
        if (sum == memory.size()) best = std::max(best, double(memory.size()) * 8 / spent);
    }
    return best;
}

/// Seconds oneDNN needs for a layer's four products with `rows` rows, best of five.
double product_seconds(const LayerWeights& w, int rows) {
    CpuLinear parts[] = {CpuLinear({w.q_weight, w.k_weight, w.v_weight}, {}),
                         CpuLinear({w.o_weight}, {}), CpuLinear({w.gate_weight, w.up_weight}, {}),
                         CpuLinear({w.down_weight}, {})};
    LinearWorkspace workspace;
    double total = 0;
    for (CpuLinear& linear : parts) {
        std::vector<float> x(size_t(rows) * linear.k(), 0.5f), y(size_t(rows) * linear.n());
        double best = 1e9;
        for (int i = 0; i < 5; i++) {
            const double began = seconds();
            linear.apply(workspace, x.data(), rows, y.data());
            best = std::min(best, seconds() - began);
        }
        total += best;
    }
    return total;
}

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

double median_step(Backend& backend, int n_sequences, int n_before, int n_query, int rounds) {
    std::vector<double> times;
    for (int i = 0; i <= rounds; i++)
        times.push_back(step_seconds(backend, n_sequences, n_before, n_query));
    times.erase(times.begin());  // the first makes primitives and touches memory
    std::nth_element(times.begin(), times.begin() + ptrdiff_t(times.size() / 2), times.end());
    return times[times.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 64;
    auto checkpoint = std::make_shared<const Checkpoint>(open_checkpoint(argv[1]));
    const int layers = checkpoint->config.n_layers;
    constexpr int kPrompt = 512;
    const double products = product_seconds(checkpoint->weights.layers[0], kPrompt) * layers;
    BackendOptions options;
    options.max_context = 2048;
    const double began = seconds();
    auto backend = make_cpu_backend(checkpoint, options);
    fmt::print("engine     {}, loaded in {:.2f} s, weights {} MiB\n", backend->info().device,
               seconds() - began, backend->info().weight_bytes >> 20);
    const double bandwidth = read_bandwidth();
    const double ceiling = bandwidth / double(backend->info().weight_bytes);
    const double one = 1 / median_step(*backend, 1, 128, 1, 30);
    fmt::print("decode     {:.1f} tok/s, {:.0f}% of {:.1f} (read bandwidth {:.1f} GB/s)\n", one,
               100 * one / ceiling, ceiling, bandwidth * 1e-9);
    const double prefill = kPrompt / median_step(*backend, 1, 0, kPrompt, 3);
    fmt::print("prefill    {:.0f} tok/s of {} tokens, {:.0f}% of {:.0f} (oneDNN on its products)\n",
               prefill, kPrompt, 100 * prefill * products / kPrompt, kPrompt / products);
    const double eight = 8 / median_step(*backend, 8, 128, 1, 15);
    fmt::print("8 streams  {:.1f} tok/s, {:.1f} times one\n", eight, eight / one);
}
