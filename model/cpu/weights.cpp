#include "model/cpu/weights.h"

#include <fmt/core.h>

#include <algorithm>
#include <cassert>
#include <exception>

#include "model/error.h"

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
    std::vector<const StoredTensor*> tensors;
    for (const StoredLinear* part : parts) {
        assert(part->kind == LinearKind::dense && part->k == (*parts.begin())->k);
        tensors.push_back(&part->weight);
    }
    for (const StoredLinear* part : parts)
        if (part->bias) tensors.push_back(&*part->bias);
    assert(tensors.size() == parts.size() || tensors.size() == 2 * parts.size());
    const std::vector<TensorView> views = buffer.read(tensors);
    const auto biases = views.begin() + ptrdiff_t(parts.size());
    return CpuLinear({views.begin(), biases}, {biases, views.end()});
}

size_t cpu_weight_bytes(const Weights& weights, size_t element_bytes) {
    size_t bytes = weights.embedding.n_bytes;
    auto add = [&](const StoredLinear& linear) {
        bytes += size_t(linear.n) * size_t(linear.k) * element_bytes;
    };
    add(weights.lm_head);
    for (const LayerWeights& l : weights.layers)
        for (auto* linear : {&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down}) add(*linear);
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
