#pragma once

#include <string>
#include <string_view>

#include "daemon/api/model_registry.h"

namespace qwend {

// What is served, for clients that list, choose and describe models. All is JSON.

/// The version of Ollama whose API this is like; qwend's own is at /version. Clients compare it
/// with what they need (0.13.4 at most) and read it as numbers between dots.
inline constexpr std::string_view kOllamaVersion = "0.14.0";

/// /api/tags: every name of every model, with its tag.
std::string render_tags(const ModelRegistry& models);
/// /api/ps: the same, all of which are always loaded.
std::string render_running(const ModelRegistry& models);
/// /api/show, of the model that was asked for by `name`.
std::string render_shown(const Model& model, const std::string& name);

/// "494.03M", "7.6B".
std::string parameter_size(int64_t n_parameters);

}  // namespace qwend
