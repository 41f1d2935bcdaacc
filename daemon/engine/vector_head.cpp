#include "daemon/engine/vector_head.h"

#include <cstddef>

namespace qwend {

int head_size(const VectorHead& head, int n_in) {
    if (!head) return n_in;
    return static_cast<int>(head(std::vector<float>(static_cast<size_t>(n_in))).size());
}

void apply_head(const VectorHead& head, int n_in, std::vector<StepOutput>& outputs) {
    if (!head) return;
    std::vector<float> all;
    for (const StepOutput& output : outputs)
        all.insert(all.end(), output.event.vectors.begin(), output.event.vectors.end());
    if (all.empty()) return;
    const std::vector<float> made = head(all);
    const size_t size = static_cast<size_t>(n_in), n_out = made.size() / (all.size() / size);
    auto at = made.begin();
    for (StepOutput& output : outputs) {
        std::vector<float>& vectors = output.event.vectors;
        const auto end = at + static_cast<ptrdiff_t>(vectors.size() / size * n_out);
        vectors.assign(at, end);
        at = end;
    }
}

}  // namespace qwend
