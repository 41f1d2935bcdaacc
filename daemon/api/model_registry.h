#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/model.h"

namespace qwend {

/// The models that are served, by their names. The loop's; another thread works with a copy, which
/// shares the models.
class ModelRegistry {
  public:
    /// At least one; the first is for requests that name none.
    explicit ModelRegistry(std::vector<ModelPtr> models);

    /// By any of its names; the first of all where `name` is empty; nullptr where there is none.
    ModelPtr find(std::string_view name) const;
    Model& first() const { return *models_.front(); }
    const std::vector<ModelPtr>& models() const { return models_; }
    const std::vector<std::string>& names() const { return names_; }  // of all, aliases too

  private:
    std::vector<ModelPtr> models_;
    std::vector<std::string> names_;
};

}  // namespace qwend
