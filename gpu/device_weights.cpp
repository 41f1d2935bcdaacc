#include "gpu/device_weights.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "model/bf16.h"
#include "model/weight_placement.h"

namespace qwend {

namespace {

constexpr int kCopiers = 4;  // threads: one alone moves pages to pinned memory at a third of PCIe 5

float element(const std::byte* data, DType type, size_t i) {
    if (type == DType::f32) {
        float value;
        std::memcpy(&value, data + i * sizeof value, sizeof value);
        return value;
    }
    uint16_t bits;  // the file promises no alignment
    std::memcpy(&bits, data + i * sizeof bits, sizeof bits);
    return type == DType::bf16 ? bf16_to_float(bits) : half_to_float(bits);
}

/// Reads the runs one behind the other to `out`.
void read_runs(const SafetensorsFiles& files, const WeightCopy& copy, std::byte* out) {
    const size_t element_bytes = dtype_size(copy.from->dtype), n_bytes = copy.n * element_bytes;
    for (size_t i = 0; i < copy.n_runs; i++)
        files.read(*copy.from, (copy.first + i * copy.stride) * element_bytes, n_bytes,
                   out + i * n_bytes);
}

/// The runs as the device wants them, read from their file into pinned memory; returns their bytes.
/// What is converted is read to `unconverted` first.
size_t stage(const SafetensorsFiles& files, const WeightCopy& copy,
             std::vector<std::byte>& unconverted, std::byte* out) {
    const DType type = copy.from->dtype;
    const size_t n = copy.n_runs * copy.n;
    if (type == DType::bf16 && !copy.to_float) {
        read_runs(files, copy, out);
        return n * sizeof(bf16_t);
    }
    unconverted.resize(std::max(unconverted.size(), n * dtype_size(type)));
    read_runs(files, copy, unconverted.data());
    if (copy.to_float) {
        for (size_t i = 0; i < n; i++) {
            const float value = element(unconverted.data(), type, i);
            std::memcpy(out + i * sizeof value, &value, sizeof value);
        }
        return n * sizeof(float);
    }
    auto* to = reinterpret_cast<bf16_t*>(out);
    for (size_t i = 0; i < n; i++) to[i] = float_to_bf16(element(unconverted.data(), type, i));
    return n * sizeof(bf16_t);
}

/// Waits for a stream at the end, also where a file turns out to be cut: no transfer may outlive
/// the buffers that it reads.
struct StreamEnd {
    const Stream& stream;
    ~StreamEnd() {
        if (!device_lost()) cudaStreamSynchronize(stream);
    }
};

/// One thread's part: takes the next copy until there is none. Two buffers, so that filling one
/// overlaps with the transfer of the other.
void copy_some(const SafetensorsFiles& files, const std::vector<WeightCopy>& copies, std::byte* to,
               const Device& device, std::atomic<size_t>& next,
               const std::function<void(float)>& on_progress, std::mutex& progress_mutex) {
    CUDA_CHECK(cudaSetDevice(device.index));
    Stream stream(device);
    PinnedBuffer<std::byte> buffers[2];
    for (auto& buffer : buffers) buffer = PinnedBuffer<std::byte>(WeightPlacement::kCopyBytes);
    std::vector<std::byte> unconverted;
    Event sent[2];
    const StreamEnd end{stream};
    for (size_t turn = 0;; turn++) {
        const size_t i = next.fetch_add(1);
        if (i >= copies.size()) break;
        CUDA_CHECK(cudaEventSynchronize(sent[turn % 2]));  // done at once if never recorded
        const size_t n_bytes = stage(files, copies[i], unconverted, buffers[turn % 2].get());
        CUDA_CHECK(cudaMemcpyAsync(to + copies[i].to, buffers[turn % 2].get(), n_bytes,
                                   cudaMemcpyHostToDevice, stream));
        CUDA_CHECK(cudaEventRecord(sent[turn % 2], stream));
        if (on_progress && i % 16 == 0) {
            std::lock_guard lock(progress_mutex);
            on_progress(float(i) / float(copies.size()));
        }
    }
    if (!device_lost()) stream.synchronize();
}

void copy_all(const SafetensorsFiles& files, const std::vector<WeightCopy>& copies, std::byte* to,
              const Device& device, const std::function<void(float)>& on_progress) {
    std::atomic<size_t> next{0};
    std::mutex mutex;
    std::exception_ptr failure;
    std::vector<std::thread> threads;
    for (int i = 0; i < kCopiers; i++)
        threads.emplace_back([&] {
            try {
                copy_some(files, copies, to, device, next, on_progress, mutex);
            } catch (...) {
                std::lock_guard lock(mutex);
                if (!failure) failure = std::current_exception();
                next = copies.size();  // the others stop too
            }
        });
    for (std::thread& thread : threads) thread.join();
    if (failure) std::rethrow_exception(failure);
    if (on_progress) on_progress(1);
}

}  // namespace

size_t DeviceWeights::bytes_of(const Weights& weights, const Shard& shard) {
    return WeightPlacement(weights, shard).n_bytes;
}

DeviceWeights::DeviceWeights(const Checkpoint& checkpoint, const Shard& shard, const Device& device,
                             const std::function<void(float)>& on_progress) {
    const ModelConfig& c = shard.config;
    const WeightPlacement placed(checkpoint.weights, shard);
    memory_ = DeviceBuffer<std::byte>(placed.n_bytes);
    copy_all(checkpoint.files, placed.copies, memory_.get(), device, on_progress);
    checkpoint.files.check_unchanged();

    auto vector = [&](size_t at) { return reinterpret_cast<const float*>(memory_.get() + at); };
    auto matrix = [&](const StoredLinear& from, size_t at, int n, int k) {
        return LinearWeights{from.kind, memory_.get() + at, n, k};
    };
    const int q_dim = c.n_heads * c.head_dim, qkv_dim = q_dim + 2 * c.n_kv_heads * c.head_dim;
    for (size_t i = 0; i < placed.layers.size(); i++) {
        const WeightPlacement::Layer& at = placed.layers[i];
        const LayerWeights& l = checkpoint.weights.layers[i];
        layers_.push_back({vector(at.input_norm), vector(at.post_attention_norm),
                           matrix(l.q, at.qkv, qkv_dim, c.hidden_size), vector(at.qkv_bias),
                           matrix(l.o, at.o, c.hidden_size, q_dim),
                           matrix(l.gate, at.gate_up, 2 * c.intermediate_size, c.hidden_size),
                           matrix(l.down, at.down, c.hidden_size, c.intermediate_size)});
    }
    embedding_ = reinterpret_cast<const bf16*>(memory_.get() + placed.embedding);
    final_norm_ = vector(placed.final_norm);
    lm_head_ = matrix(checkpoint.weights.lm_head, placed.lm_head, c.vocab_size, c.hidden_size);
}

}  // namespace qwend
