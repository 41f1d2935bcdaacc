#include "gpu/linear/choice.h"

namespace qwend {

namespace {

/// Of quantised weights, which are read again for every eight rows: beyond that it is better to
/// unpack them first.
constexpr int kMostPackedRows = 4 * kSkinnyRows;

}  // namespace

ProductChoice::ProductChoice(const Device& device, int hidden_size, bool deterministic)
    : has_wgmma_(device.has_wgmma),
      deterministic_(deterministic),
      most_fused_rows_(device.has_wgmma ? max_wgmma_rows(hidden_size) : kSkinnyRows) {}

const LinearKernels* ProductChoice::fused(LinearKind kind, int n_rows) const {
    const bool few = deterministic_ ? !has_wgmma_ : n_rows <= kSkinnyRows;
    switch (kind) {
        case LinearKind::dense:
            if (!deterministic_ && n_rows > most_fused_rows_) return nullptr;
            return few ? &kSkinnyMma : &kWgmmaSm90;
        case LinearKind::int4:
        case LinearKind::int8:
        case LinearKind::fp8:
            return deterministic_ || n_rows <= kMostPackedRows ? &kSkinnyPacked : nullptr;
    }
    shape_fault("weights of a kind that has a product", __FILE__, __LINE__);
}

bool ProductChoice::gates_at_once(int n_rows) const {
    constexpr int kFewestRows = 1024;  // as measured with hidden sizes of 896 and 3,584
    return has_wgmma_ && n_rows >= kFewestRows;
}

}  // namespace qwend
