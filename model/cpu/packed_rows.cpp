#include "model/cpu/packed_rows.h"

#if defined(__x86_64__)
#if !defined(__clang__)  // GCC 12's intrinsics begin undefined registers with themselves
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "model/cpu/few_rows.h"

namespace qwend {

namespace {

// A function that another one is compiled into has to name what that one does.
#define TAKES_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,f16c")))
#define WITHIN_AVX512 TAKES_AVX512 inline __attribute__((always_inline))

constexpr int kLanes = 16;  // f32 of a register
constexpr int kRegisters = kPanelColumns / kLanes;
constexpr size_t kAhead = 8192;  // bytes, as in few_rows.cpp
constexpr int kPairs = 8;        // of inputs, whose int4 codes are loaded at once

/// Of one group: each output's twice, for two inputs; `less` is -zero * scale.
struct GroupScales {
    __m512 scale[2 * kRegisters], less[2 * kRegisters];
};

template <class Codes, bool kHasZeros>
WITHIN_AVX512 void load_scales(const PackedLayout& layout, const std::byte* record,
                               GroupScales& scales) {
    const __m512i twice = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    const __m512i other = _mm512_add_epi32(twice, _mm512_set1_epi32(8));
    const std::byte* zeros = record + PackedLayout::kScaleBytes;
    for (int i = 0; i < kRegisters; i++) {
        __m512 scale = _mm512_loadu_ps(record + size_t(i) * 64);
        if (Codes::kScale != 1) scale = _mm512_mul_ps(scale, _mm512_set1_ps(Codes::kScale));
        scales.scale[2 * i] = _mm512_permutexvar_ps(twice, scale);
        scales.scale[2 * i + 1] = _mm512_permutexvar_ps(other, scale);
        if (!kHasZeros) continue;
        const __m512 zero = layout.has_real_zeros
                                ? _mm512_loadu_ps(zeros + size_t(i) * 64)
                                : _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256(
                                      reinterpret_cast<const __m256i*>(zeros + size_t(i) * 32))));
        // Exact if the zero is an integer, as the product of a code and its scale is: both have at
        // most 24 bits if the scale was stored in 16. Their sum is rounded once.
        const __m512 less = _mm512_mul_ps(scale, _mm512_sub_ps(_mm512_setzero_ps(), zero));
        scales.less[2 * i] = _mm512_permutexvar_ps(twice, less);
        scales.less[2 * i + 1] = _mm512_permutexvar_ps(other, less);
    }
}

/// Codes of 0 to 15, looked up; without zeros they are less 8.
template <bool kHasZeros>
struct Int4 {
    static constexpr float kScale = 1;
    static constexpr size_t kInputBytes = kPanelColumns / 2;
    __m512i words[2 * kRegisters];
    __m512 table;

    WITHIN_AVX512 void begin() {
        const __m512i count =
            _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
        table =
            _mm512_cvtepi32_ps(kHasZeros ? count : _mm512_sub_epi32(count, _mm512_set1_epi32(8)));
    }
    WITHIN_AVX512 void load(const std::byte* codes) {
        for (int i = 0; i < 2 * kRegisters; i++)
            words[i] = _mm512_loadu_si512(codes + size_t(i) * 64);
    }
    /// Each pair in turn.
    WITHIN_AVX512 void take(int, int i, __m512& low, __m512& high) {
        low = _mm512_permutexvar_ps(words[2 * i], table);
        high = _mm512_permutexvar_ps(words[2 * i + 1], table);
        words[2 * i] = _mm512_srli_epi32(words[2 * i], 4);
        words[2 * i + 1] = _mm512_srli_epi32(words[2 * i + 1], 4);
    }
};

/// Signed codes, so that without zeros nothing is to be taken from them.
struct Int8 {
    static constexpr float kScale = 1;
    static constexpr size_t kInputBytes = kPanelColumns;
    const std::byte* codes = nullptr;

    WITHIN_AVX512 void begin() {}
    WITHIN_AVX512 void load(const std::byte* from) { codes = from; }
    WITHIN_AVX512 void take(int pair, int i, __m512& low, __m512& high) {
        const auto* from = reinterpret_cast<const __m128i*>(codes + pair * 128 + i * 32);
        low = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from)));
        high = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from + 1)));
    }
};

/// e4m3, whose bits in the place of a float's are the number times 2^-120, subnormals too.
struct Fp8 {
    static constexpr float kScale = 0x1p120f;
    static constexpr size_t kInputBytes = kPanelColumns;
    const std::byte* codes = nullptr;

    WITHIN_AVX512 void begin() {}
    WITHIN_AVX512 void load(const std::byte* from) { codes = from; }
    WITHIN_AVX512 void take(int pair, int i, __m512& low, __m512& high) {
        const auto* from = reinterpret_cast<const __m128i*>(codes + pair * 128 + i * 32);
        const __m512i bits = _mm512_set1_epi32(int(0x87FFFFFF));  // the sign, and seven below
        const __m512i first = _mm512_cvtepi8_epi32(_mm_loadu_si128(from));
        const __m512i second = _mm512_cvtepi8_epi32(_mm_loadu_si128(from + 1));
        low = (__m512)_mm512_and_si512(bits, _mm512_slli_epi32(first, 20));
        high = (__m512)_mm512_and_si512(bits, _mm512_slli_epi32(second, 20));
    }
};

/// Shows `use` the weights of the inputs from `begin` to `end`, two inputs and 16 outputs at a
/// time.
template <class Codes, bool kHasZeros, class Use>
WITHIN_AVX512 void walk(const PackedLayout& layout, const std::byte* panel, int begin, int end,
                        Use& use) {
    Codes codes;
    codes.begin();
    GroupScales scales;
    const int depth = layout.depth();
    const size_t header = layout.header_bytes();
    for (int k = begin; k < end;) {
        const int group = k / depth, first = group * depth;
        const std::byte* record = panel + layout.record_begin(group);
        load_scales<Codes, kHasZeros>(layout, record, scales);
        const std::byte* block = record + header + size_t(k - first) * Codes::kInputBytes;
        for (const int stop = std::min(end, first + depth); k < stop; k += 2 * kPairs) {
            codes.load(block);
            for (int pair = 0; pair < kPairs; pair++) {
                for (size_t at = 0; at < 2 * Codes::kInputBytes; at += 64, block += 64)
                    _mm_prefetch(reinterpret_cast<const char*>(block) + kAhead, _MM_HINT_T0);
                use.begin(k + 2 * pair);
                for (int i = 0; i < kRegisters; i++) {
                    __m512 low, high;
                    codes.take(pair, i, low, high);
                    const __m512 scale = scales.scale[2 * i], other = scales.scale[2 * i + 1];
                    if (kHasZeros) {
                        low = _mm512_fmadd_ps(low, scale, scales.less[2 * i]);
                        high = _mm512_fmadd_ps(high, other, scales.less[2 * i + 1]);
                    } else {
                        low = _mm512_mul_ps(low, scale), high = _mm512_mul_ps(high, other);
                    }
                    use.take(i, _mm512_cvtne2ps_pbh(high, low));
                }
            }
        }
    }
}

template <int N_ROWS>
struct Product {
    const bf16_t* x;
    int k_padded;
    __m512 sums[N_ROWS][kRegisters];
    __m512bh pairs[N_ROWS];

    WITHIN_AVX512 void begin(int k) {
        for (int row = 0; row < N_ROWS; row++) {
            int pair;
            std::memcpy(&pair, x + size_t(row) * size_t(k_padded) + k, sizeof pair);
            pairs[row] = (__m512bh)_mm512_set1_epi32(pair);
        }
    }
    WITHIN_AVX512 void take(int i, __m512bh weights) {
        for (int row = 0; row < N_ROWS; row++)
            sums[row][i] = _mm512_dpbf16_ps(sums[row][i], pairs[row], weights);
    }
};

struct Copy {
    bf16_t* out;
    bf16_t* at = nullptr;

    WITHIN_AVX512 void begin(int k) { at = out + size_t(k) * kPanelColumns; }
    WITHIN_AVX512 void take(int i, __m512bh weights) {
        _mm512_storeu_si512(at + i * 32, (__m512i)weights);
    }
};

/// A chunk of inputs: adds to out[r] (64) for each row, or begins it.
template <class Codes, bool kHasZeros, int N_ROWS>
TAKES_AVX512 void chunk_product(const PackedLayout& layout, const std::byte* panel, const bf16_t* x,
                                int begin, int end, float* out) {
    Product<N_ROWS> product;
    product.x = x, product.k_padded = layout.k_padded();
    for (auto& row : product.sums)
        for (__m512& sum : row) sum = _mm512_setzero_ps();
    walk<Codes, kHasZeros>(layout, panel, begin, end, product);
    for (int row = 0; row < N_ROWS; row++)
        for (int i = 0; i < kRegisters; i++) {
            float* to = out + row * kPanelColumns + i * kLanes;
            __m512 sum = product.sums[row][i];
            if (begin > 0) sum = _mm512_add_ps(_mm512_loadu_ps(to), sum);
            _mm512_storeu_ps(to, sum);
        }
}

template <class Codes, bool kHasZeros>
TAKES_AVX512 void copy_panel(const PackedLayout& layout, const std::byte* panel, bf16_t* out) {
    Copy copy{out};
    walk<Codes, kHasZeros>(layout, panel, 0, layout.k_padded(), copy);
}

struct Kernels {
    decltype(&chunk_product<Int8, false, 1>) products[kFewRows];
    decltype(&copy_panel<Int8, false>) copy;
};

template <class Codes, bool kHasZeros>
constexpr Kernels kKernels = {
    {chunk_product<Codes, kHasZeros, 1>, chunk_product<Codes, kHasZeros, 2>,
     chunk_product<Codes, kHasZeros, 3>, chunk_product<Codes, kHasZeros, 4>},
    copy_panel<Codes, kHasZeros>};

const Kernels& kernels_of(const PackedLayout& layout) {
    if (layout.kind == LinearKind::fp8) return kKernels<Fp8, false>;
    if (layout.kind == LinearKind::int8)
        return layout.has_zeros ? kKernels<Int8, true> : kKernels<Int8, false>;
    return layout.has_zeros ? kKernels<Int4<true>, true> : kKernels<Int4<false>, false>;
}

}  // namespace

void packed_rows_product(const PackedLayout& layout, const std::byte* panels, const bf16_t* x,
                         int n_rows, const float* bias, float* y) {
    const Kernels& kernels = kernels_of(layout);
    const int k_padded = layout.k_padded(), chunk = depth_chunk(k_padded), n = layout.n;
    const int n_panels = layout.n_panels();
#pragma omp parallel for schedule(static)
    for (int p = 0; p < n_panels; p++) {
        const std::byte* panel = panels + size_t(p) * layout.panel_bytes();
        for (int row = 0; row < n_rows; row += kFewRows) {
            const int n_now = std::min(kFewRows, n_rows - row);
            float sums[kFewRows * kPanelColumns] = {};
            for (int k = 0; k < k_padded; k += chunk)
                kernels.products[n_now - 1](layout, panel, x + size_t(row) * size_t(k_padded), k,
                                            std::min(k + chunk, k_padded), sums);
            write_panel_sums(sums, n_now, p, bias, n, y + size_t(row) * size_t(n));
        }
    }
}

void packed_to_bf16(const PackedLayout& layout, const std::byte* panel, bf16_t* out) {
    kernels_of(layout).copy(layout, panel, out);
    for (int k = layout.k; k < layout.k_padded(); k++)
        for (int j = 0; j < kPanelColumns; j++)
            out[(size_t(k / 2) * kPanelColumns + size_t(j)) * 2 + size_t(k % 2)] = 0;
}

}  // namespace qwend
#else
#include <exception>

namespace qwend {

// Never chosen here.
void packed_rows_product(const PackedLayout&, const std::byte*, const bf16_t*, int, const float*,
                         float*) {
    std::terminate();
}
void packed_to_bf16(const PackedLayout&, const std::byte*, bf16_t*) {
    std::terminate();
}

}  // namespace qwend
#endif
