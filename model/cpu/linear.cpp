#include "model/cpu/linear.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl_version.h>
#include <algorithm>
#include <cstring>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "model/bf16.h"
#include "model/cpu/few_rows.h"
#include "model/cpu/huge_pages.h"
#include "model/cpu/ops.h"
#include "model/cpu/packed.h"
#include "model/cpu/packed_rows.h"
#include "model/cpu/packed_rows_f32.h"

namespace qwend {

namespace {

using dnnl::memory;

constexpr int kPackRows = 4096;  // weight rows packed at a time; a multiple of every block size
constexpr int kMaxRows = 512;    // rows of one oneDNN call, and what the layout is chosen for
constexpr size_t kTileBytes = size_t(512) << 10;  // of unpacked weights: they stay in the cache
constexpr int kMostTilePanels = 4, kTileRows = 64;

/// Rows are padded up to one of few sizes, so that few primitives are ever made.
int padded_rows(int n_rows) {
    const int step = n_rows <= 16 ? 1 : n_rows <= 64 ? 16 : 64;
    return (n_rows + step - 1) / step * step;
}

/// Scratch memory only grows, and is never cleared as a whole: after one long prompt that would
/// cost every small product after it. Who reads more than was written clears just that.
template <typename T>
void grow(std::vector<T>& scratch, size_t n) {
    if (scratch.size() < n) scratch.resize(n);
}

dnnl::engine& cpu_engine() {
    static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    return engine;
}

memory::data_type weight_type() {
    return CpuLinear::uses_bf16() ? memory::data_type::bf16 : memory::data_type::f32;
}

}  // namespace

/// What one execution of a primitive needs for itself.
struct Scratch {
    std::vector<std::byte> scratchpad;
    std::vector<std::byte> weights;  // of a tile, unpacked
    std::vector<float> output;       // of a tile
    dnnl::stream stream{cpu_engine()};
};

struct LinearWorkspace::Impl {
    using Key = std::tuple<int, int, int, bool, bool>;  // k, n, rows, bias, packed
    std::map<Key, dnnl::matmul> primitives;
    std::map<std::tuple<int, int, bool>, bool> few_rows_agrees;  // by k, n, packed: to the bit
    std::vector<bf16_t> input;                                   // (rows, k), converted
    std::vector<float> padded_input, padded_output;
    std::vector<Scratch> scratch = std::vector<Scratch>(1);  // one for each thread
};

LinearWorkspace::LinearWorkspace() : impl_(std::make_unique<Impl>()) {}
LinearWorkspace::~LinearWorkspace() = default;

std::span<float> LinearWorkspace::padded_input() {
    return impl_->padded_input;
}
std::span<bf16_t> LinearWorkspace::input() {
    return impl_->input;
}

/// A part of a product: rows of x, outputs, and their weights as oneDNN reads them.
struct Tile {
    int row, n_rows, begin, n;
    memory weights;  // (k, n)
};

struct CpuLinear::Impl {
    int n = 0, k = 0;
    std::unique_ptr<HugePages> storage;
    memory weights;                            // (k, n) in oneDNN's own layout, in storage
    std::unique_ptr<CpuPackedWeights> packed;  // or these
    memory bias;                               // (1, n) f32, or empty
    bool is_panelled = false;                  // that layout is few_rows_product's

    dnnl::matmul::primitive_desc describe(int n_rows, int n_out,
                                          const memory::desc& weight_desc) const {
        memory::desc x({n_rows, k}, weight_type(), memory::format_tag::ab);
        memory::desc y({n_rows, n_out}, memory::data_type::f32, memory::format_tag::ab);
        memory::desc b({1, n_out}, memory::data_type::f32, memory::format_tag::ab);
        dnnl::primitive_attr attributes;
        attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
#if DNNL_VERSION_MAJOR >= 3
        if (!bias) return {cpu_engine(), x, weight_desc, y, attributes};
        return {cpu_engine(), x, weight_desc, b, y, attributes};
#else
        if (!bias) return {{x, weight_desc, y}, attributes, cpu_engine()};
        return {{x, weight_desc, b, y}, attributes, cpu_engine()};
#endif
    }
    /// What oneDNN would have the weights lie like.
    memory::desc preferred_layout() const {
        memory::desc any({k, n}, weight_type(), memory::format_tag::any);
        return describe(kMaxRows, n, any).weights_desc();
    }
    memory::desc panels_of(int n_out) const {
        return {{k, n_out}, weight_type(), memory::format_tag::BA16a64b2a};
    }
    float* bias_values() const {
        return bias ? static_cast<float*>(bias.get_data_handle()) : nullptr;
    }
    void pack(const std::vector<TensorView>& parts);
    void multiply(LinearWorkspace::Impl& workspace, const float* x, int n_rows, float* y) const;
    void multiply_packed(LinearWorkspace::Impl& workspace, void* x, int n_rows, float* y) const;
    const dnnl::matmul& primitive(LinearWorkspace::Impl& workspace, int n_rows, int n_out,
                                  const memory::desc& weight_desc) const;
    void execute(const dnnl::matmul& primitive, Scratch& scratch, void* x, const Tile& tile,
                 float* out) const;
    void unpack(int first_panel, int n_panels, std::byte* out) const;
    memory::desc unpacked_desc(int n_out) const {
        return is_panelled ? panels_of(n_out)
                           : memory::desc({k, n_out}, weight_type(), memory::format_tag::ba);
    }
    bool few_rows_agrees(LinearWorkspace::Impl& workspace) const;
    void multiply_few(LinearWorkspace::Impl& workspace, const float* x, int n_rows, float* y) const;
    void multiply_few_f32(LinearWorkspace::Impl& workspace, const float* x, int n_rows,
                          float* y) const;
};

void CpuLinear::Impl::pack(const std::vector<TensorView>& parts) {
    const memory::desc layout = preferred_layout();
    storage = std::make_unique<HugePages>(layout.get_size());
    weights = memory(layout, cpu_engine(), storage->address);
    is_panelled = uses_bf16() && layout == panels_of(n);
    struct Row {
        const TensorView* part;
        int64_t row;
    };
    std::vector<Row> rows;  // of the parts, one below the other
    for (const TensorView& part : parts)
        for (int64_t row = 0; row < part.shape[0]; row++) rows.push_back({&part, row});
    // Slices of them are converted and reordered in turn, so that packing needs little memory
    // beside the result.
    const bool bf16 = uses_bf16();
    const size_t element = bf16 ? sizeof(bf16_t) : sizeof(float);
    std::vector<std::byte> slice(size_t(std::min(kPackRows, n)) * k * element);
    for (int begin = 0; begin < n; begin += kPackRows) {
        const int n_now = std::min(kPackRows, n - begin);
#pragma omp parallel
        {
            std::vector<float> values(k);
#pragma omp for
            for (int i = 0; i < n_now; i++) {
                std::byte* to = slice.data() + size_t(i) * k * element;
                auto [part, row] = rows[size_t(begin + i)];
                if (bf16 && part->dtype == DType::bf16) {
                    std::memcpy(to, part->data + size_t(row) * k * element, k * element);
                    continue;
                }
                tensor_row_to_float(*part, row, values.data(), k);
                if (bf16)
                    to_bf16(values.data(), reinterpret_cast<bf16_t*>(to), k);
                else
                    std::memcpy(to, values.data(), k * element);
            }
        }
        memory from({{k, n_now}, weight_type(), memory::format_tag::ba}, cpu_engine(),
                    slice.data());
        memory to(weights.get_desc().submemory_desc({k, n_now}, {0, begin}), cpu_engine(),
                  weights.get_data_handle());
        dnnl::stream stream(cpu_engine());
        dnnl::reorder(from, to).execute(stream, from, to);
        stream.wait();
    }
}

/// Whether our kernel may stand in for oneDNN's: another version may add in another order, and then
/// a row would depend on how many there are. Tried once a shape, on numbers that round.
bool CpuLinear::Impl::few_rows_agrees(LinearWorkspace::Impl& workspace) const {
    if (!is_panelled) return false;
    auto [found, is_new] = workspace.few_rows_agrees.try_emplace({k, n, packed != nullptr});
    if (!is_new) return found->second;
    constexpr int kRows = 8;
    std::vector<float> x(size_t(kRows) * k), many(size_t(kRows) * n), few(size_t(kFewRows) * n);
    uint32_t random = 1;
    for (float& value : x) value = float(random = random * 1664525 + 1013904223) * 0x1p-32f - 0.5f;
    multiply(workspace, x.data(), kRows, many.data());
    multiply_few(workspace, x.data(), kFewRows, few.data());
    return found->second = std::memcmp(few.data(), many.data(), few.size() * sizeof(float)) == 0;
}

/// Few rows on our own kernel.
void CpuLinear::Impl::multiply_few(LinearWorkspace::Impl& workspace, const float* x, int n_rows,
                                   float* y) const {
    const int k_padded = (k + kPanelDepth - 1) / kPanelDepth * kPanelDepth;
    auto& input = workspace.input;
    grow(input, size_t(n_rows) * k_padded);
    for (int row = 0; row < n_rows; row++) {
        bf16_t* to = input.data() + size_t(row) * k_padded;
        to_bf16(x + size_t(row) * k, to, k);
        std::fill(to + k, to + k_padded, bf16_t{});
    }
    if (packed)
        return packed_rows_product(packed->layout(), packed->panels(), input.data(), n_rows,
                                   bias_values(), y);
    few_rows_product(input.data(), n_rows, k_padded,
                     static_cast<const bf16_t*>(weights.get_data_handle()), bias_values(), n, y);
}

/// The same where there is no bf16: dense weights have no kernel of ours there.
void CpuLinear::Impl::multiply_few_f32(LinearWorkspace::Impl& workspace, const float* x, int n_rows,
                                       float* y) const {
    const auto k_padded = size_t(packed->layout().k_padded());
    grow(workspace.padded_input, size_t(n_rows) * k_padded);
    for (int row = 0; row < n_rows; row++) {
        float* to = workspace.padded_input.data() + size_t(row) * k_padded;
        std::copy_n(x + size_t(row) * size_t(k), k, to);
        std::fill(to + k, to + k_padded, 0.0f);
    }
    packed_rows_product_f32(packed->layout(), packed->panels(), workspace.padded_input.data(),
                            n_rows, bias_values(), y);
}

/// Panels of packed weights as oneDNN reads them: the panels that few rows are multiplied with too,
/// or plain rows, for a CPU whose oneDNN would have them otherwise.
void CpuLinear::Impl::unpack(int first_panel, int n_panels, std::byte* out) const {
    const PackedLayout& layout = packed->layout();
    const bool bf16 = uses_bf16();
    const size_t depth = size_t(is_panelled ? layout.k_padded() : k), size = kPanelColumns * depth;
    auto* halves = reinterpret_cast<bf16_t*>(out);
    auto* floats = reinterpret_cast<float*>(out);
    std::vector<float> rows(bf16 && !is_panelled ? size : 0);
    for (int i = 0; i < n_panels; i++) {
        const int panel = first_panel + i;
        if (is_panelled) {
            packed_to_bf16(layout, packed->panels() + size_t(panel) * layout.panel_bytes(), halves);
        } else {
            packed->to_rows(panel, bf16 ? rows.data() : floats);
            if (bf16) to_bf16(rows.data(), halves, int(size));
        }
        halves += size, floats += size;
    }
}

void CpuLinear::Impl::multiply(LinearWorkspace::Impl& workspace, const float* x, int n_rows,
                               float* y) const {
    void* source = const_cast<float*>(x);
    if (uses_bf16()) {
        auto& input = workspace.input;
        grow(input, size_t(n_rows) * k);
#pragma omp parallel for if (n_rows > 4)
        for (int row = 0; row < n_rows; row++)
            to_bf16(x + size_t(row) * k, input.data() + size_t(row) * k, k);
        source = input.data();
    }
    if (packed) return multiply_packed(workspace, source, n_rows, y);
    execute(primitive(workspace, n_rows, n, weights.get_desc()), workspace.scratch[0], source,
            {0, n_rows, 0, n, weights}, y);
}

/// A thread unpacks a tile's weights into its own cache and multiplies them there, with a primitive
/// made for one thread: nobody waits for anybody before the end.
void CpuLinear::Impl::multiply_packed(LinearWorkspace::Impl& workspace, void* x, int n_rows,
                                      float* y) const {
    const int n_threads = omp_get_max_threads(), n_panels = packed->layout().n_panels();
    const size_t element = uses_bf16() ? sizeof(bf16_t) : sizeof(float);
    const size_t panel_bytes = size_t(packed->layout().k_padded()) * kPanelColumns * element;
    const int wide = std::clamp(std::min(int(kTileBytes / panel_bytes), n_panels / n_threads), 1,
                                kMostTilePanels);
    const int n_wide = (n_panels + wide - 1) / wide;
    // More threads than that share the rows.
    const int n_high = std::clamp(n_threads / n_wide, 1, (n_rows + kTileRows - 1) / kTileRows);
    const int high = n_high == 1 ? n_rows : padded_rows((n_rows + n_high - 1) / n_high);
    std::vector<Tile> tiles;
    for (int row = 0; row < n_rows; row += high)
        for (int panel = 0; panel < n_panels; panel += wide) {
            const int begin = panel * kPanelColumns;
            tiles.push_back({row,
                             std::min(high, n_rows - row),
                             begin,
                             std::min(wide * kPanelColumns, n - begin),
                             {}});
        }
    omp_set_num_threads(1);  // which oneDNN makes primitives for
    std::vector<const dnnl::matmul*> primitives;
    for (const Tile& tile : tiles)
        primitives.push_back(&primitive(workspace, tile.n_rows, tile.n, unpacked_desc(tile.n)));
    omp_set_num_threads(n_threads);
    if (int(workspace.scratch.size()) < n_threads) workspace.scratch.resize(size_t(n_threads));
    for (Scratch& scratch : workspace.scratch) {
        grow(scratch.scratchpad, workspace.scratch[0].scratchpad.size());
        grow(scratch.weights, size_t(wide) * panel_bytes);
        grow(scratch.output, size_t(std::min(high, n_rows)) * size_t(wide) * kPanelColumns);
    }
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t i = 0; i < tiles.size(); i++) {
        Tile& tile = tiles[i];
        Scratch& scratch = workspace.scratch[size_t(omp_get_thread_num())];
        unpack(tile.begin / kPanelColumns, (tile.n + kPanelColumns - 1) / kPanelColumns,
               scratch.weights.data());
        tile.weights = memory(unpacked_desc(tile.n), cpu_engine(), scratch.weights.data());
        // oneDNN 2.6 has fast kernels only for rows that follow each other.
        execute(*primitives[i], scratch,
                static_cast<std::byte*>(x) + size_t(tile.row) * size_t(k) * element, tile,
                scratch.output.data());
        for (int row = 0; row < tile.n_rows; row++)
            std::copy_n(scratch.output.data() + size_t(row) * size_t(tile.n), tile.n,
                        y + size_t(tile.row + row) * size_t(n) + size_t(tile.begin));
    }
}

const dnnl::matmul& CpuLinear::Impl::primitive(LinearWorkspace::Impl& workspace, int n_rows,
                                               int n_out, const memory::desc& weight_desc) const {
    auto [found, is_new] =
        workspace.primitives.try_emplace({k, n_out, n_rows, bool(bias), packed != nullptr});
    if (is_new) {
        auto description = describe(n_rows, n_out, weight_desc);
        const size_t n_scratch = description.scratchpad_desc().get_size();
        grow(workspace.scratch[0].scratchpad, n_scratch);
        found->second = dnnl::matmul(description);
    }
    return found->second;
}

void CpuLinear::Impl::execute(const dnnl::matmul& primitive, Scratch& scratch, void* x,
                              const Tile& tile, float* out) const {
    memory from({{tile.n_rows, k}, weight_type(), memory::format_tag::ab}, cpu_engine(), x);
    memory to({{tile.n_rows, tile.n}, memory::data_type::f32, memory::format_tag::ab}, cpu_engine(),
              out);
    memory::desc scratch_desc({dnnl_dim_t(scratch.scratchpad.size())}, memory::data_type::u8,
                              memory::format_tag::a);
    std::unordered_map<int, memory> arguments{
        {DNNL_ARG_SRC, from},
        {DNNL_ARG_WEIGHTS, tile.weights},
        {DNNL_ARG_DST, to},
        {DNNL_ARG_SCRATCHPAD, {scratch_desc, cpu_engine(), scratch.scratchpad.data()}}};
    if (bias)
        arguments.emplace(DNNL_ARG_BIAS,
                          memory({{1, tile.n}, memory::data_type::f32, memory::format_tag::ab},
                                 cpu_engine(), bias_values() + tile.begin));
    primitive.execute(scratch.stream, arguments);
    scratch.stream.wait();
}

void CpuLinear::set_bias(const std::vector<TensorView>& biases) {
    if (biases.empty()) return;
    impl_->bias =
        memory({{1, impl_->n}, memory::data_type::f32, memory::format_tag::ab}, cpu_engine());
    float* out = impl_->bias_values();
    for (auto& part : biases)
        for (float value : tensor_to_float(part)) *out++ = value;
}

CpuLinear::CpuLinear(const std::vector<TensorView>& weights, const std::vector<TensorView>& biases)
    : impl_(std::make_unique<Impl>()) {
    impl_->k = int(weights[0].shape[1]);
    for (auto& part : weights) impl_->n += int(part.shape[0]);
    set_bias(biases);
    impl_->pack(weights);
}

CpuLinear::CpuLinear(const std::vector<QuantizedView>& weights,
                     const std::vector<TensorView>& biases)
    : impl_(std::make_unique<Impl>()) {
    impl_->packed = std::make_unique<CpuPackedWeights>(weights);
    impl_->k = impl_->packed->layout().k, impl_->n = impl_->packed->layout().n;
    set_bias(biases);
    impl_->is_panelled = uses_bf16() && impl_->preferred_layout() == impl_->panels_of(impl_->n);
}

CpuLinear::CpuLinear(CpuLinear&&) noexcept = default;
CpuLinear& CpuLinear::operator=(CpuLinear&&) noexcept = default;
CpuLinear::~CpuLinear() = default;

void CpuLinear::apply(LinearWorkspace& workspace, const float* x, int n_rows, float* y) const {
    const int n = impl_->n, k = impl_->k;
    LinearWorkspace::Impl& w = *workspace.impl_;
    if (n_rows <= kFewRows && impl_->packed && !uses_bf16())
        return impl_->multiply_few_f32(w, x, n_rows, y);
    const int few = impl_->packed ? kPackedRows : kFewRows;
    if (n_rows <= few && impl_->few_rows_agrees(w)) return impl_->multiply_few(w, x, n_rows, y);
    for (int row = 0; row < n_rows; row += kMaxRows) {
        const int n_now = std::min(kMaxRows, n_rows - row), n_padded = padded_rows(n_now);
        const float* from = x + size_t(row) * k;
        float* to = y + size_t(row) * n;
        if (n_padded == n_now) {
            impl_->multiply(w, from, n_now, to);
            continue;
        }
        grow(w.padded_input, size_t(n_padded) * k), grow(w.padded_output, size_t(n_padded) * n);
        auto padding = std::copy(from, from + size_t(n_now) * k, w.padded_input.begin());
        std::fill_n(padding, size_t(n_padded - n_now) * k, 0.0f);
        impl_->multiply(w, w.padded_input.data(), n_padded, w.padded_output.data());
        std::copy(w.padded_output.begin(), w.padded_output.begin() + ptrdiff_t(n_now) * n, to);
    }
}

int CpuLinear::n() const {
    return impl_->n;
}
int CpuLinear::k() const {
    return impl_->k;
}
size_t CpuLinear::weight_bytes() const {
    return impl_->packed ? impl_->packed->layout().n_bytes() : impl_->weights.get_desc().get_size();
}

bool CpuLinear::uses_bf16() {
#if defined(__x86_64__)
    static const bool bf16 =
        __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vl");
    return bf16;
#else
    return false;
#endif
}

}  // namespace qwend
