// What is in device memory after loading, bit by bit: matrices rounded to bf16, vectors as f32.

#include "gpu/device_weights.h"

#include <doctest/doctest.h>

#include "model/packed_linear.h"
#include "tests/unit/hashed_checkpoint.h"
#include "tests/unit/quantized_checkpoint.h"

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

/// Rows and columns of a tensor; all of them unless said.
struct Part {
    const StoredTensor* tensor;
    int first_row = 0, n_rows = -1, first_column = 0, n_columns = -1;
    Part(const StoredTensor* whole) : tensor(whole) {}
    Part(const StoredTensor* of, int row, int rows) : tensor(of), first_row(row), n_rows(rows) {}

    static Part columns(const StoredTensor* of, int column, int columns) {
        Part part(of);
        part.first_column = column, part.n_columns = columns;
        return part;
    }
    std::vector<float> values(const SafetensorsFiles& files) const {
        const std::vector<float> all = stored(files, *tensor);
        const size_t width = tensor->shape.size() > 1 ? size_t(tensor->shape[1]) : 1;
        const size_t rows = n_rows < 0 ? all.size() / width : size_t(n_rows);
        const size_t n = n_columns < 0 ? width : size_t(n_columns);
        std::vector<float> some;
        for (size_t row = 0; row < rows; row++) {
            const auto from = all.begin() + std::ptrdiff_t((size_t(first_row) + row) * width +
                                                           size_t(first_column));
            some.insert(some.end(), from, from + std::ptrdiff_t(n));
        }
        return some;
    }
};

template <class T>
std::vector<T> read_back(const void* device, size_t n) {
    std::vector<T> values(n);
    CUDA_CHECK(cudaMemcpy(values.data(), device, n * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
}

/// The parts, below each other, are at `device`. NaN may be another NaN.
void check_matrix(const SafetensorsFiles& files, const void* device,
                  std::initializer_list<Part> parts) {
    const auto* at = static_cast<const bf16_t*>(device);
    for (const Part& part : parts) {
        const auto expected = part.values(files);
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
                  std::initializer_list<Part> parts) {
    for (const Part& part : parts) {
        const auto expected = part.values(files);
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
    DeviceWeights device(*hashed.checkpoint, shard_of(hashed.checkpoint->config, 0, 1),
                         use_device(0), [&](float done) { progress = std::max(progress, done); });
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

TensorView read_tensor(const SafetensorsFiles& files, const StoredTensor& tensor,
                       std::vector<std::byte>& to) {
    to.resize(tensor.n_bytes);
    files.read(tensor, 0, to.size(), to.data());
    return {tensor.dtype, tensor.shape, to.data(), to.size()};
}

/// The layers, below each other, are at `device` as packed_linear.h has them.
void check_packed_matrix(const SafetensorsFiles& files, const LinearWeights& device,
                         std::initializer_list<const StoredLinear*> linears) {
    size_t code = 0, scale = 0;
    int n = 0;
    for (const StoredLinear* linear : linears) {
        std::vector<std::byte> stored_codes, stored_scales, stored_zeros;
        QuantizedView view{linear, read_tensor(files, linear->weight, stored_codes), {}, {}};
        view.scales = read_tensor(files, linear->quantized->scales, stored_scales);
        if (linear->quantized->zeros)
            view.zeros = read_tensor(files, *linear->quantized->zeros, stored_zeros);
        const PackedShape shape = packed_shape(*linear);
        CHECK((device.kind == shape.kind && device.k == shape.k && device.group == shape.group));
        std::vector<std::byte> codes(packed_code_bytes(shape));
        std::vector<uint32_t> scales(packed_scale_bytes(shape) / sizeof(uint32_t));
        pack_rows(view, 0, shape.n, codes.data(), scales.data());
        const auto* at = static_cast<const std::byte*>(device.data) + code;
        CHECK(read_back<std::byte>(at, codes.size()) == codes);
        CHECK(read_back<uint32_t>(device.scales + scale, scales.size()) == scales);
        code += codes.size(), scale += scales.size(), n += shape.n;
    }
    CHECK(device.n == n);
}

}  // namespace

TEST_CASE("device_weights: quantised layers of every format, packed") {
    for (const QuantizedFormat& format : quantized_formats()) {
        CAPTURE(format.name);
        const QuantizedCheckpoint made({"small", 256, 4, 2, 384, true}, format, 7, 1);
        const SafetensorsFiles& files = made.checkpoint->files;
        const Shard whole = shard_of(made.checkpoint->config, 0, 1);
        float progress = 0;
        const DeviceWeights device(*made.checkpoint, whole, use_device(0), [&](float done) {
            CHECK(done >= progress);
            progress = done;
        });
        CHECK(progress == 1);
        CHECK(device.n_bytes() == DeviceWeights::bytes_of(made.checkpoint->weights, whole));
        const DeviceLayer& d = device.layers()[0];
        const LayerWeights& l = made.checkpoint->weights.layers[0];
        check_packed_matrix(files, d.qkv, {&l.q, &l.k, &l.v});
        check_vector(files, d.qkv_bias, {&*l.q.bias, &*l.k.bias, &*l.v.bias});
        check_packed_matrix(files, d.o, {&l.o});
        check_packed_matrix(files, d.gate_up, {&l.gate, &l.up});
        check_packed_matrix(files, d.down, {&l.down});
    }
}

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

TEST_CASE("device_weights: a rank has its rows and its columns, of f32 files too") {
    const HashedShape shape{"shared", 512, 8, 2, 352, false};
    for (DType type : {DType::bf16, DType::f32})
        for (int n_ranks : {2, 4})
            for (int rank = 0; rank < n_ranks; rank++) {
                CAPTURE(n_ranks);
                CAPTURE(rank);
                HashedCheckpoint hashed(shape, 2, {type, type, type, type});
                const Checkpoint& checkpoint = *hashed.checkpoint;
                const Shard shard = shard_of(checkpoint.config, rank, n_ranks);
                const DeviceWeights device(checkpoint, shard, use_device(0), nullptr);
                const SafetensorsFiles& files = checkpoint.files;
                const int dim = checkpoint.config.head_dim;
                const int q = shard.first_head * dim, n_q = shard.config.n_heads * dim;
                const int kv = shard.first_kv_head * dim, n_kv = shard.config.n_kv_heads * dim;
                const int inner = shard.first_inner, n_inner = shard.config.intermediate_size;
                check_matrix(files, device.embedding(), {&checkpoint.weights.embedding});
                check_matrix(files, device.lm_head().data, {&checkpoint.weights.lm_head.weight});
                for (size_t i = 0; i < device.layers().size(); i++) {
                    const DeviceLayer& d = device.layers()[i];
                    const LayerWeights& l = checkpoint.weights.layers[i];
                    CHECK((d.qkv.n == n_q + 2 * n_kv && d.o.k == n_q));
                    CHECK((d.gate_up.n == 2 * n_inner && d.down.k == n_inner));
                    check_vector(files, d.input_norm, {&l.input_norm});
                    check_matrix(
                        files, d.qkv.data,
                        {{&l.q.weight, q, n_q}, {&l.k.weight, kv, n_kv}, {&l.v.weight, kv, n_kv}});
                    check_vector(
                        files, d.qkv_bias,
                        {{&*l.q.bias, q, n_q}, {&*l.k.bias, kv, n_kv}, {&*l.v.bias, kv, n_kv}});
                    check_matrix(files, d.o.data, {Part::columns(&l.o.weight, q, n_q)});
                    check_matrix(
                        files, d.gate_up.data,
                        {{&l.gate.weight, inner, n_inner}, {&l.up.weight, inner, n_inner}});
                    check_matrix(files, d.down.data,
                                 {Part::columns(&l.down.weight, inner, n_inner)});
                }
            }
}
