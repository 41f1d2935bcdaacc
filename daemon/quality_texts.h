#pragma once

#include <span>
#include <string_view>

namespace qwend {

/// Texts by which a model's quality is measured: of what it may be asked for, and in no corpus.
std::span<const std::string_view> quality_texts();

}  // namespace qwend
