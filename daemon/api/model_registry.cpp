#include "daemon/api/model_registry.h"

#include <algorithm>
#include <utility>

namespace qwend {

ModelRegistry::ModelRegistry(std::vector<ModelPtr> models) : models_(std::move(models)) {
    for (const ModelPtr& model : models_)
        names_.insert(names_.end(), model->text->names.begin(), model->text->names.end());
}

ModelPtr ModelRegistry::find(std::string_view name) const {
    if (name.empty()) return models_.front();
    for (const ModelPtr& model : models_) {
        const auto& names = model->text->names;
        if (std::find(names.begin(), names.end(), name) != names.end()) return model;
    }
    return nullptr;
}

}  // namespace qwend
