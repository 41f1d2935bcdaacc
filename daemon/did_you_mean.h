#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// The name that was meant by `word`, which is none of `names`: what other servers call it, or the
/// nearest by spelling; empty if nothing is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& names);

}  // namespace qwend
