#include "gpu/device_weights.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "model/bf16.h"

namespace qwend {

namespace {

constexpr size_t kAlign = 256;                   // of a tensor; wide loads need 16
constexpr size_t kChunkBytes = size_t(4) << 20;  // of one copy
constexpr int kCopiers = 4;  // threads: one alone moves pages to pinned memory at a third of PCIe 5

/// A run of one tensor and where it goes; conversion happens on the way.
struct Copy {
    const StoredTensor* from;
    size_t first, n;  // elements
    size_t to;        // bytes into the device memory
    bool to_float;    // else bf16
};

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

/// The run as the device wants it, read from its file into pinned memory; returns its bytes. A run
/// that is converted is read to `unconverted` first.
size_t stage(const SafetensorsFiles& files, const Copy& copy, std::vector<std::byte>& unconverted,
             std::byte* out) {
    const DType type = copy.from->dtype;
    const size_t begin = copy.first * dtype_size(type), n_bytes = copy.n * dtype_size(type);
    if (type == DType::bf16 && !copy.to_float) {
        files.read(*copy.from, begin, n_bytes, out);
        return n_bytes;
    }
    unconverted.resize(std::max(unconverted.size(), n_bytes));
    files.read(*copy.from, begin, n_bytes, unconverted.data());
    if (copy.to_float) {
        for (size_t i = 0; i < copy.n; i++) {
            const float value = element(unconverted.data(), type, i);
            std::memcpy(out + i * sizeof value, &value, sizeof value);
        }
        return copy.n * sizeof(float);
    }
    auto* to = reinterpret_cast<bf16_t*>(out);
    for (size_t i = 0; i < copy.n; i++) to[i] = float_to_bf16(element(unconverted.data(), type, i));
    return copy.n * sizeof(bf16_t);
}

/// Places tensors one behind the other and remembers what has to be copied.
class Layout {
  public:
    /// Offset of the tensors, below each other.
    size_t place(std::initializer_list<const StoredTensor*> parts, bool to_float) {
        const size_t begin = size_, element_bytes = to_float ? sizeof(float) : sizeof(bf16_t);
        for (const StoredTensor* part : parts) {
            const size_t n = part->n_bytes / dtype_size(part->dtype);
            const size_t per_copy = kChunkBytes / element_bytes;
            for (size_t i = 0; i < n; i += per_copy)
                copies_.push_back(
                    {part, i, std::min(per_copy, n - i), size_ + i * element_bytes, to_float});
            size_ += n * element_bytes;
        }
        size_ = (size_ + kAlign - 1) / kAlign * kAlign;
        return begin;
    }
    size_t size() const { return size_; }
    const std::vector<Copy>& copies() const { return copies_; }

  private:
    size_t size_ = 0;
    std::vector<Copy> copies_;
};

/// Where everything of a checkpoint goes.
struct Placement {
    struct Layer {
        size_t input_norm, post_attention_norm, qkv, qkv_bias, o, gate_up, down;
    };
    Layout layout;
    std::vector<Layer> layers;
    size_t embedding, final_norm, lm_head;

    explicit Placement(const Weights& w) {
        embedding = layout.place({&w.embedding}, false);
        for (const LayerWeights& l : w.layers)
            layers.push_back({layout.place({&l.input_norm}, true),
                              layout.place({&l.post_attention_norm}, true),
                              layout.place({&l.q.weight, &l.k.weight, &l.v.weight}, false),
                              layout.place({&*l.q.bias, &*l.k.bias, &*l.v.bias}, true),
                              layout.place({&l.o.weight}, false),
                              layout.place({&l.gate.weight, &l.up.weight}, false),
                              layout.place({&l.down.weight}, false)});
        final_norm = layout.place({&w.final_norm}, true);
        lm_head = w.tied ? embedding : layout.place({&w.lm_head.weight}, false);
    }
};

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
void copy_some(const SafetensorsFiles& files, const std::vector<Copy>& copies, std::byte* to,
               const Device& device, std::atomic<size_t>& next,
               const std::function<void(float)>& on_progress, std::mutex& progress_mutex) {
    CUDA_CHECK(cudaSetDevice(device.index));
    Stream stream(device);
    PinnedBuffer<std::byte> buffers[2] = {PinnedBuffer<std::byte>(kChunkBytes),
                                          PinnedBuffer<std::byte>(kChunkBytes)};
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

void copy_all(const SafetensorsFiles& files, const std::vector<Copy>& copies, std::byte* to,
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

size_t DeviceWeights::bytes_of(const Weights& weights) {
    return Placement(weights).layout.size();
}

DeviceWeights::DeviceWeights(const Checkpoint& checkpoint, const Device& device,
                             const std::function<void(float)>& on_progress) {
    const ModelConfig& c = checkpoint.config;
    const Placement placed(checkpoint.weights);
    memory_ = DeviceBuffer<std::byte>(placed.layout.size());
    copy_all(checkpoint.files, placed.layout.copies(), memory_.get(), device, on_progress);
    checkpoint.files.check_unchanged();

    auto vector = [&](size_t at) { return reinterpret_cast<const float*>(memory_.get() + at); };
    auto matrix = [&](const StoredLinear& from, size_t at, int n, int k) {
        return LinearWeights{from.kind, memory_.get() + at, n, k};
    };
    const int q_dim = c.n_heads * c.head_dim, qkv_dim = q_dim + 2 * c.n_kv_heads * c.head_dim;
    for (size_t i = 0; i < placed.layers.size(); i++) {
        const Placement::Layer& at = placed.layers[i];
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
