#pragma once

#include <optional>
#include <string_view>

#include "model/grammar/syntax.h"

namespace qwend::grammar {

/// The terminal of that name in the library "common" that comes with Lark, if it has one.
std::optional<Syntax> lark_common_terminal(std::string_view name);

}  // namespace qwend::grammar
