#pragma once

#include <string>
#include <string_view>

namespace qwend {

enum class NormalForm { c, d, kc, kd };

/// A Unicode normalisation form (UAX #15), in time linear in the text but for the sorting of long
/// runs of combining marks, O(m log m). Text that is normal already for want of anything that could
/// change, or that is not valid UTF-8, is returned as `text` itself; else in `storage`.
std::string_view to_normal_form(NormalForm form, std::string_view text, std::string& storage);

}  // namespace qwend
