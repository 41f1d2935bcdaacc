#include "model/cpu/weights.h"

#include <fmt/core.h>

#include <algorithm>
#include <cassert>
#include <exception>
#include <list>
#include <optional>

#include "model/cpu/packed.h"
#include "model/error.h"
#include "model/quantized/unpack.h"

namespace qwend {

namespace {

constexpr size_t kPieceBytes = size_t(4) << 20;  // of one read
constexpr size_t kAlign = 64;

/// One read, and where it goes.
struct Piece {
    const StoredTensor* tensor;
    size_t begin, n_bytes;
    std::byte* to;
};

/// Of linear layers that are read at once: where in the list of their tensors each lies.
class LinearTensors {
  public:
    LinearTensors(TensorBuffer& buffer, std::span<const StoredLinear* const> parts)
        : parts_(parts) {
        std::vector<const StoredTensor*> tensors;
        for (const StoredLinear* part : parts) {
            assert(part->k == parts[0]->k);
            tensors.push_back(&part->weight);
            if (part->quantized) tensors.push_back(&part->quantized->scales);
            if (part->quantized && part->quantized->zeros)
                tensors.push_back(&*part->quantized->zeros);
            if (part->bias) tensors.push_back(&*part->bias);
        }
        views_ = buffer.read(tensors);
        size_t at = 0;
        for (const StoredLinear* part : parts) {
            QuantizedView view{part, views_[at++], {}, {}};
            if (part->quantized) view.scales = views_[at++];
            if (part->quantized && part->quantized->zeros) view.zeros = views_[at++];
            weights_.push_back(view);
            biases_.push_back(part->bias ? std::optional(views_[at++]) : std::nullopt);
        }
    }

    const std::vector<QuantizedView>& weights() const { return weights_; }

    /// One for each part, zeros where it has none; empty if none has one.
    std::vector<TensorView> biases() {
        if (std::none_of(biases_.begin(), biases_.end(), [](auto& b) { return b.has_value(); }))
            return {};
        std::vector<TensorView> made;
        int most = 0;
        for (const StoredLinear* part : parts_) most = std::max(most, part->n);
        zeros_.assign(size_t(most), 0);
        for (size_t i = 0; i < biases_.size(); i++) {
            const int n = parts_[i]->n;
            made.push_back(
                biases_[i].value_or(TensorView{DType::f32,
                                               {n},
                                               reinterpret_cast<const std::byte*>(zeros_.data()),
                                               size_t(n) * sizeof(float)}));
        }
        return made;
    }

    /// The weights as numbers: of parts that are not of one kind.
    std::vector<TensorView> dense() {
        std::vector<TensorView> made;
        for (const QuantizedView& part : weights_) {
            if (part.linear->kind == LinearKind::dense) {
                made.push_back(part.codes);
                continue;
            }
            const CpuPackedWeights packed({part});
            const int n = part.linear->n, k = part.linear->k;
            std::vector<float>& values = values_.emplace_back(size_t(packed.layout().n_panels()) *
                                                              kPanelColumns * size_t(k));
#pragma omp parallel for schedule(static)
            for (int panel = 0; panel < packed.layout().n_panels(); panel++)
                packed.to_rows(panel, values.data() + size_t(panel) * kPanelColumns * size_t(k));
            made.push_back({DType::f32,
                            {n, k},
                            reinterpret_cast<const std::byte*>(values.data()),
                            size_t(n) * size_t(k) * sizeof(float)});
        }
        return made;
    }

  private:
    std::span<const StoredLinear* const> parts_;
    std::vector<TensorView> views_;
    std::vector<QuantizedView> weights_;
    std::vector<std::optional<TensorView>> biases_;
    std::vector<float> zeros_;
    std::list<std::vector<float>> values_;
};

}  // namespace

std::vector<TensorView> TensorBuffer::read(std::span<const StoredTensor* const> tensors) {
    std::vector<size_t> offsets;
    size_t total = 0;
    for (const StoredTensor* tensor : tensors) {
        offsets.push_back(total);
        total += (tensor->n_bytes + kAlign - 1) / kAlign * kAlign;
    }
    if (total > memory_.n_bytes()) {
        memory_ = LazyMemory();  // the old before the new
        memory_ = LazyMemory(total, Pages::huge, "weights");
    }
    std::vector<TensorView> views;
    std::vector<Piece> pieces;
    for (size_t i = 0; i < tensors.size(); i++) {
        const StoredTensor& tensor = *tensors[i];
        std::byte* to = memory_.get() + offsets[i];
        views.push_back({tensor.dtype, tensor.shape, to, tensor.n_bytes});
        for (size_t at = 0; at < tensor.n_bytes; at += kPieceBytes)
            pieces.push_back({&tensor, at, std::min(kPieceBytes, tensor.n_bytes - at), to + at});
    }
    std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic, 1) if (pieces.size() > 1)
    for (size_t i = 0; i < pieces.size(); i++) {
        const Piece& piece = pieces[i];
        try {
            files_.read(*piece.tensor, piece.begin, piece.n_bytes, piece.to);
        } catch (...) {  // none may leave a parallel region
#pragma omp critical
            failure = std::current_exception();
        }
    }
    if (failure) std::rethrow_exception(failure);
    return views;
}

CpuLinear load_linear(TensorBuffer& buffer, std::initializer_list<const StoredLinear*> parts) {
    LinearTensors tensors(buffer, std::span(parts.begin(), parts.size()));
    if (CpuPackedWeights::fit({parts})) return CpuLinear(tensors.weights(), tensors.biases());
    return CpuLinear(tensors.dense(), tensors.biases());
}

size_t cpu_weight_bytes(const Weights& weights, size_t element_bytes) {
    size_t bytes = weights.embedding.n_bytes;
    auto add = [&](const std::vector<const StoredLinear*>& parts) {
        if (CpuPackedWeights::fit(parts)) {
            bytes += CpuPackedWeights::layout_of(parts).n_bytes();
            return;
        }
        for (const StoredLinear* part : parts)
            bytes += size_t(part->n) * size_t(part->k) * element_bytes;
    };
    add({&weights.lm_head});
    for (const LayerWeights& l : weights.layers) {
        add({&l.q, &l.k, &l.v}), add({&l.o});
        add({&l.gate, &l.up}), add({&l.down});
    }
    return bytes;
}

CpuMemory plan_cpu_memory(size_t weight_bytes, size_t kv_bytes, size_t wanted,
                          const HostMemory& host) {
    if (host.total == 0) return {weight_bytes, kv_bytes > 0 ? kv_bytes : wanted};
    if (weight_bytes > host.total)
        throw LoadError(
            fmt::format("the weights do not fit: expected {} MiB of memory, found {} "
                        "MiB; use a smaller model or a larger machine",
                        weight_bytes >> 20, host.total >> 20));
    const size_t room = host.available - std::min(host.available, weight_bytes);
    if (kv_bytes > room)
        throw LoadError(
            fmt::format("kv-cache-memory: expected at most {} MiB, which is the memory available "
                        "beside {} MiB of weights, found {} MiB; lower it, or 0 to choose",
                        room >> 20, weight_bytes >> 20, kv_bytes >> 20));
    return {weight_bytes, kv_bytes > 0 ? kv_bytes : std::min(wanted, room / 2)};
}

}  // namespace qwend
