#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/model.h"

namespace qwend {

/// The name of a model with its tag: a name that has none means the tag "latest".
std::string tagged_name(const std::string& name);

/// The models that are served, by their names. The loop's; another thread works with a copy, which
/// shares the models.
class ModelRegistry {
  public:
    /// At least one; the first is for requests that name none.
    explicit ModelRegistry(std::vector<ModelPtr> models);

    /// By any of its names, as it is or with ":latest" behind it, which is what those call it who
    /// know models by name and tag; the first of all where `name` is empty; nullptr where there is
    /// none.
    ModelPtr find(std::string_view name) const;
    Model& first() const { return *models_.front(); }
    const std::vector<ModelPtr>& models() const { return models_; }
    /// Every name by which find() has one: aliases too, and all with their tag.
    const std::vector<std::string>& names() const { return names_; }

  private:
    std::vector<ModelPtr> models_;
    std::vector<std::string> names_;
};

}  // namespace qwend
