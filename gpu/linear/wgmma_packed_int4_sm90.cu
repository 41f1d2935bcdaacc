#include "gpu/linear/wgmma_packed_sm90.cuh"

namespace qwend {

template struct WgmmaPacked<LinearKind::int4>;

}  // namespace qwend
