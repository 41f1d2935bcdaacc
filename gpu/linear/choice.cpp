#include "gpu/linear/choice.h"

namespace qwend {

namespace {

// As measured on an H200 with 7B. skinny_packed reads weights once for all of up to eight rows, but
// x for every block; wgmma of quantised weights is faster beyond few rows, and up to as many as
// these faster than to unpack them first.
constexpr int kMostSkinnyPackedRows = 4, kMostWgmmaPackedRows = 512;
// Where that is missing, weights are read again for every eight rows: beyond so many it is better
// to unpack them.
constexpr int kMostRereadRows = 4 * kSkinnyRows;

}  // namespace

void QuantizedUse::see(const LinearWeights& weights) {
    if (weights.kind == LinearKind::dense) return;
    any = true;
    wide &= weights.group % 128 == 0;
}

ProductChoice::ProductChoice(const Device& device, int hidden_size, bool deterministic,
                             QuantizedUse use)
    : has_wgmma_(device.has_wgmma),
      deterministic_(deterministic),
      has_fused_wgmma_(device.has_wgmma && use.wide),
      most_skinny_rows_(!use.any           ? kSkinnyRows
                        : has_fused_wgmma_ ? kMostSkinnyPackedRows
                                           : kMostRereadRows),
      most_fused_rows_(!has_fused_wgmma_ ? most_skinny_rows_
                       : use.any         ? kMostWgmmaPackedRows
                                         : max_wgmma_rows(hidden_size)) {}

ProductWay ProductChoice::of_layers(int n_rows) const {
    if (deterministic_) return has_fused_wgmma_ ? ProductWay::wgmma : ProductWay::skinny;
    if (n_rows <= most_skinny_rows_) return ProductWay::skinny;
    return n_rows <= most_fused_rows_ ? ProductWay::wgmma : ProductWay::gemm;
}

ProductWay ProductChoice::of_head(LinearKind kind, int n_rows) const {
    const ProductWay way = of_layers(n_rows);
    if (way != ProductWay::gemm || kind == LinearKind::dense) return way;
    return has_fused_wgmma_ ? ProductWay::wgmma : ProductWay::skinny;
}

const LinearKernels* ProductChoice::fused(ProductWay way, LinearKind kind) {
    const bool is_dense = kind == LinearKind::dense;
    switch (way) {
        case ProductWay::skinny:
            return is_dense ? &kSkinnyMma : &kSkinnyPacked;
        case ProductWay::wgmma:
            return is_dense ? &kWgmmaSm90 : &kWgmmaPackedSm90;
        case ProductWay::gemm:
            return nullptr;
    }
    shape_fault("a way of products", __FILE__, __LINE__);
}

bool ProductChoice::gates_at_once(int n_rows) const {
    constexpr int kFewestRows = 1024;  // as measured with hidden sizes of 896 and 3,584
    return has_wgmma_ && n_rows >= kFewestRows;
}

}  // namespace qwend
