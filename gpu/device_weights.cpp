#include "gpu/device_weights.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "model/bf16.h"
#include "model/packed_linear.h"
#include "model/quantized/unpack.h"
#include "model/weight_placement.h"

namespace qwend {

namespace {

// Threads: one alone moves pages to pinned memory at a third of PCIe 5, and packs quantised weights
// at a tenth.
constexpr int kCopiers = 4, kPackers = 16;

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

/// The tensors of a quantised layer, in memory of which only as much as the largest needs.
class QuantizedReader {
  public:
    QuantizedView read(const SafetensorsFiles& files, const StoredLinear& linear) {
        QuantizedView view{&linear, read(files, linear.weight, codes_), {}, {}};
        view.scales = read(files, linear.quantized->scales, scales_);
        if (linear.quantized->zeros) view.zeros = read(files, *linear.quantized->zeros, zeros_);
        return view;
    }

  private:
    static TensorView read(const SafetensorsFiles& files, const StoredTensor& tensor,
                           std::vector<std::byte>& to) {
        if (to.size() < tensor.n_bytes) {
            to = {};  // the old goes before the new comes
            to.resize(tensor.n_bytes);
        }
        files.read(tensor, 0, tensor.n_bytes, to.data());
        return {tensor.dtype, tensor.shape, to.data(), tensor.n_bytes};
    }

    std::vector<std::byte> codes_, scales_, zeros_;
};

/// What has to be done, and how much of it is: threads take pieces, each a copy or all that is
/// packed of a layer, whose tensors are read once.
class Work {
  public:
    Work(const WeightPlacement& placed, const std::function<void(float)>& on_progress)
        : copies_(placed.copies),
          on_progress_(on_progress),
          n_parts_(copies_.size() + placed.packs.size()) {
        for (const WeightPack& pack : placed.packs) {
            if (packed_.empty() || packed_.back().back().from != pack.from) packed_.emplace_back();
            packed_.back().push_back(pack);
        }
    }

    /// Gives the next piece to one of the two; false if there is none.
    template <typename Copy, typename Pack>
    bool take(Copy&& copy, Pack&& pack) {
        const size_t i = next_.fetch_add(1);
        if (i >= copies_.size() + packed_.size()) return false;
        if (i < copies_.size())
            copy(copies_[i]);
        else
            pack(packed_[i - copies_.size()]);
        return true;
    }
    void stop() { next_ = copies_.size() + packed_.size(); }

    /// One more copy, or one more of what is packed of a layer.
    void add_done() {
        std::lock_guard lock(mutex_);
        if (on_progress_ && ++n_done_ % 16 == 0) on_progress_(float(n_done_) / float(n_parts_));
    }

  private:
    const std::vector<WeightCopy>& copies_;
    std::vector<std::vector<WeightPack>> packed_;  // by layer
    const std::function<void(float)>& on_progress_;
    const size_t n_parts_;
    std::atomic<size_t> next_{0};
    std::mutex mutex_;
    size_t n_done_ = 0;
};

/// Sends what one thread makes. Two buffers, so that filling one overlaps with the transfer of the
/// other.
class Sender {
  public:
    explicit Sender(const Device& device) : stream_(device) {
        for (auto& buffer : buffers_) buffer = PinnedBuffer<std::byte>(WeightPlacement::kCopyBytes);
    }

    /// A buffer that nothing is read from any more.
    std::byte* next() {
        turn_++;
        CUDA_CHECK(cudaEventSynchronize(sent_[turn_ % 2]));  // done at once if never recorded
        return buffers_[turn_ % 2].get();
    }
    /// Some of the buffer that next() gave.
    void send(std::byte* to, const std::byte* from, size_t n_bytes) {
        CUDA_CHECK(cudaMemcpyAsync(to, from, n_bytes, cudaMemcpyHostToDevice, stream_));
        CUDA_CHECK(cudaEventRecord(sent_[turn_ % 2], stream_));
    }
    void finish() {
        if (!device_lost()) stream_.synchronize();
    }

  private:
    Stream stream_;
    PinnedBuffer<std::byte> buffers_[2];
    Event sent_[2];
    size_t turn_ = 0;
    const StreamEnd end_{stream_};  // ends before the buffers do
};

/// Packs a layer's outputs and sends them.
void send_packed(const QuantizedView& view, const std::vector<WeightPack>& packs, std::byte* to,
                 Sender& sender, Work& work) {
    for (const WeightPack& pack : packs) {
        PackedShape shape = packed_shape(*pack.from);
        shape.n = pack.n;
        const size_t n_codes = packed_code_bytes(shape);  // a multiple of 64
        std::byte* codes = sender.next();
        pack_rows(view, pack.first, pack.n, codes, reinterpret_cast<uint32_t*>(codes + n_codes));
        sender.send(to + pack.codes, codes, n_codes);
        sender.send(to + pack.scales, codes + n_codes, packed_scale_bytes(shape));
        work.add_done();
    }
}

/// One thread's part: takes the next piece until there is none.
void copy_some(const SafetensorsFiles& files, std::byte* to, const Device& device, Work& work) {
    CUDA_CHECK(cudaSetDevice(device.index));
    Sender sender(device);
    std::vector<std::byte> unconverted;
    QuantizedReader reader;
    auto copy = [&](const WeightCopy& piece) {
        std::byte* buffer = sender.next();
        sender.send(to + piece.to, buffer, stage(files, piece, unconverted, buffer));
        work.add_done();
    };
    auto pack = [&](const std::vector<WeightPack>& pieces) {
        send_packed(reader.read(files, *pieces[0].from), pieces, to, sender, work);
    };
    while (work.take(copy, pack)) {
    }
    sender.finish();
}

void copy_all(const SafetensorsFiles& files, const WeightPlacement& placed, std::byte* to,
              const Device& device, const std::function<void(float)>& on_progress) {
    Work work(placed, on_progress);
    std::mutex mutex;
    std::exception_ptr failure;
    std::vector<std::thread> threads;
    const int n_processors = int(std::thread::hardware_concurrency());  // 0: nobody knows
    const int n_threads =
        placed.packs.empty() ? kCopiers : std::clamp(n_processors, kCopiers, kPackers);
    for (int i = 0; i < n_threads; i++)
        threads.emplace_back([&] {
            try {
                copy_some(files, to, device, work);
            } catch (...) {
                std::lock_guard lock(mutex);
                if (!failure) failure = std::current_exception();
                work.stop();  // the others stop too
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
    copy_all(checkpoint.files, placed, memory_.get(), device, on_progress);
    checkpoint.files.check_unchanged();

    auto vector = [&](size_t at) { return reinterpret_cast<const float*>(memory_.get() + at); };
    auto matrix = [&](const StoredLinear& from, WeightPlacement::Matrix at, int n, int k) {
        LinearWeights weights{from.kind, memory_.get() + at.data, n, k};
        if (!from.quantized) return weights;
        const PackedShape packed = packed_shape(from);
        weights.kind = packed.kind, weights.group = packed.group;
        weights.scales = reinterpret_cast<const uint32_t*>(memory_.get() + at.scales);
        return weights;
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
