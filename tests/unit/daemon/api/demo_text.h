#pragma once

#include <memory>

#include "daemon/api/model_text.h"

namespace qwend {

inline std::shared_ptr<ModelText> load_demo_text() {
    Options options;
    options.model = "tests/demo-model";
    return std::make_shared<ModelText>(load_model_text(options));
}

/// The text of the demo checkpoint, loaded once.
inline const std::shared_ptr<const ModelText>& demo_text() {
    static const std::shared_ptr<const ModelText> text = load_demo_text();
    return text;
}

}  // namespace qwend
