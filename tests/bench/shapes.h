#pragma once

#include <string>
#include <vector>

namespace qwend {

/// What config.json says of the published Qwen2.5 checkpoints.
struct PublishedShape {
    std::string name;
    int hidden, layers, heads, kv_heads, intermediate, vocab;
    bool tied;
};

inline const std::vector<PublishedShape> kPublishedShapes = {
    {"0.5b", 896, 24, 14, 2, 4864, 151936, true},   {"1.5b", 1536, 28, 12, 2, 8960, 151936, true},
    {"3b", 2048, 36, 16, 2, 11008, 151936, true},   {"7b", 3584, 28, 28, 4, 18944, 152064, false},
    {"14b", 5120, 48, 40, 8, 13824, 152064, false}, {"32b", 5120, 64, 40, 8, 27648, 152064, false},
    {"72b", 8192, 80, 64, 8, 29568, 152064, false},
};

/// The one of that name, or null.
inline const PublishedShape* find_shape(const std::string& name) {
    for (const PublishedShape& shape : kPublishedShapes)
        if (shape.name == name) return &shape;
    return nullptr;
}

}  // namespace qwend
