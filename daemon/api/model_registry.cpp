#include "daemon/api/model_registry.h"

#include <algorithm>
#include <utility>

namespace qwend {

namespace {

constexpr std::string_view kLatest = ":latest";

}  // namespace

std::string tagged_name(const std::string& name) {
    const size_t slash = name.rfind('/');
    const bool has_tag = name.find(':', slash == name.npos ? 0 : slash) != name.npos;
    return has_tag ? name : name + std::string(kLatest);
}

ModelRegistry::ModelRegistry(std::vector<ModelPtr> models) : models_(std::move(models)) {
    for (const ModelPtr& model : models_)
        for (const std::string& name : model->text->names) {
            names_.push_back(name);
            if (tagged_name(name) != name) names_.push_back(tagged_name(name));
        }
}

ModelPtr ModelRegistry::find(std::string_view name) const {
    if (name.empty()) return models_.front();
    for (const ModelPtr& model : models_) {
        const auto& names = model->text->names;
        if (std::find(names.begin(), names.end(), name) != names.end()) return model;
    }
    if (name.ends_with(kLatest) && name != kLatest)
        return find(name.substr(0, name.size() - kLatest.size()));
    return nullptr;
}

}  // namespace qwend
