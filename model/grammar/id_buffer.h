#pragma once

#include <array>
#include <memory_resource>
#include <vector>

#include "model/grammar/languages.h"

namespace qwend::grammar {

/// Few ids, as a rule, that take no memory of the heap then.
struct IdBuffer {
    std::array<LanguageId, 64> ids;
    std::pmr::monotonic_buffer_resource memory{ids.data(), sizeof ids};
};
using Ids = std::pmr::vector<LanguageId>;

}  // namespace qwend::grammar
