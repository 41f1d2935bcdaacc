// What is in device memory after loading, bit by bit: matrices rounded to bf16, vectors as f32.

#include "gpu/device_weights.h"

#include <doctest/doctest.h>

#include "tests/unit/hashed_checkpoint.h"

using namespace qwend;

namespace {

constexpr float kInfinity = INFINITY;

/// Everything that conversions get wrong, now and then among the hashed values.
float special(size_t i, float value) {
    static const float kSpecial[] = {
        0.0f,      -0.0f,        0x1p-149f,     -0x1p-133f,  0x1.8p-134f,     0x1p-126f,
        0x1p-24f,  -0x1p-14f,    0x1.ff8p-15f,  0x1.01p0f,   0x1.03p0f,       -0x1.01p0f,
        0x1.02p0f, 0x1.01002p0f, 0x1.00fffep0f, 0x1.fep127f, 0x1.fffffep127f, -0x1.ff8p15f,
        kInfinity, -kInfinity,   65504.0f,      1e-40f,      3e38f,           NAN};
    return i % 5 == 0 ? kSpecial[i / 5 % std::size(kSpecial)] : value;
}

/// For half: the same within its range.
float special_half(size_t i, float value) {
    const float changed = special(i, value);
    return std::fabs(changed) < 65520 ? changed : value;
}

/// The values of a tensor as its file has them.
std::vector<float> stored(const SafetensorsFiles& files, const StoredTensor& tensor) {
    const size_t width = dtype_size(tensor.dtype);
    std::vector<std::byte> bytes(tensor.n_bytes);
    files.read(tensor, 0, bytes.size(), bytes.data());
    std::vector<float> values(tensor.n_bytes / width);
    for (size_t i = 0; i < values.size(); i++) {
        uint32_t bits = 0;
        std::memcpy(&bits, bytes.data() + i * width, width);
        values[i] = tensor.dtype == DType::f32    ? std::bit_cast<float>(bits)
                    : tensor.dtype == DType::bf16 ? bf16_to_float(bf16_t(bits))
                                                  : half_to_float(uint16_t(bits));
    }
    return values;
}

template <class T>
std::vector<T> read_back(const void* device, size_t n) {
    std::vector<T> values(n);
    CUDA_CHECK(cudaMemcpy(values.data(), device, n * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
}

/// The tensors, below each other, are at `device`. NaN may be another NaN.
void check_matrix(const SafetensorsFiles& files, const void* device,
                  std::initializer_list<const StoredTensor*> tensors) {
    const auto* at = static_cast<const bf16_t*>(device);
    for (const StoredTensor* tensor : tensors) {
        const auto expected = stored(files, *tensor);
        const auto found = read_back<bf16_t>(at, expected.size());
        size_t n_wrong = 0;
        for (size_t i = 0; i < expected.size(); i++)
            n_wrong += std::isnan(expected[i]) ? !std::isnan(bf16_to_float(found[i]))
                                               : found[i] != float_to_bf16(expected[i]);
        CHECK(n_wrong == 0);
        at += expected.size();
    }
}

void check_vector(const SafetensorsFiles& files, const float* device,
                  std::initializer_list<const StoredTensor*> tensors) {
    for (const StoredTensor* tensor : tensors) {
        const auto expected = stored(files, *tensor);
        const auto found = read_back<float>(device, expected.size());
        size_t n_wrong = 0;
        for (size_t i = 0; i < expected.size(); i++)
            n_wrong += std::isnan(expected[i]) ? !std::isnan(found[i])
                                               : std::bit_cast<uint32_t>(found[i]) !=
                                                     std::bit_cast<uint32_t>(expected[i]);
        CHECK(n_wrong == 0);
        device += expected.size();
    }
}

void check_loaded(const HashedShape& shape, HashedTypes types) {
    CAPTURE(shape.name);
    CAPTURE(dtype_name(types.values));
    HashedCheckpoint hashed(shape, 2, std::move(types));
    const Weights& w = hashed.checkpoint->weights;
    const SafetensorsFiles& files = hashed.checkpoint->files;
    float progress = 0;
    DeviceWeights device(*hashed.checkpoint, use_device(0),
                         [&](float done) { progress = std::max(progress, done); });
    CHECK(progress == 1);
    check_matrix(files, device.embedding(), {&w.embedding});
    check_matrix(files, device.lm_head().data, {&w.lm_head.weight});
    CHECK((device.lm_head().data == device.embedding()) == shape.tied);
    check_vector(files, device.final_norm(), {&w.final_norm});
    REQUIRE(device.layers().size() == w.layers.size());
    for (size_t i = 0; i < w.layers.size(); i++) {
        const DeviceLayer& d = device.layers()[i];
        const LayerWeights& l = w.layers[i];
        check_vector(files, d.input_norm, {&l.input_norm});
        check_vector(files, d.post_attention_norm, {&l.post_attention_norm});
        check_matrix(files, d.qkv.data, {&l.q.weight, &l.k.weight, &l.v.weight});
        check_vector(files, d.qkv_bias, {&*l.q.bias, &*l.k.bias, &*l.v.bias});
        check_matrix(files, d.o.data, {&l.o.weight});
        check_matrix(files, d.gate_up.data, {&l.gate.weight, &l.up.weight});
        check_matrix(files, d.down.data, {&l.down.weight});
    }
}

}  // namespace

TEST_CASE("device_weights: every tensor of bf16, f16, f32 and mixed files, to the bit") {
    for (const HashedShape& shape : golden_shapes()) {
        const DType b = DType::bf16, h = DType::f16, f = DType::f32;
        check_loaded(shape, {b, b, b, b, special});
        check_loaded(shape, {h, h, h, h, special_half});
        check_loaded(shape, {f, f, f, f, special});
        check_loaded(shape, {b, f, f, f, special});
    }
}

TEST_CASE("device_weights: a tensor of several copies") {
    // 896 x 4096: 7 MiB as bf16, copied 4 MiB at a time.
    const HashedShape shape{"large", 896, 7, 1, 4096, false};
    check_loaded(shape, {DType::f32, DType::f32, DType::f32, DType::f32, special});
}
