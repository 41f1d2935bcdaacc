#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace qwend {

/// The pre-tokenizer regex published with Qwen2 and Qwen2.5, matched by pretoken_end().
inline constexpr std::string_view kQwenPretokenizerRegex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";

/// The end of the pre-token that begins at `begin` (< text.size()): what kQwenPretokenizerRegex
/// matches there. Always advances; an invalid byte counts as a symbol.
size_t pretoken_end(std::string_view text, size_t begin);

/// The White_Space property, which the regex calls \s; it is not a general category.
bool is_white_space(int32_t code_point);

/// \p{L}, the letters.
bool is_letter(int32_t code_point);

}  // namespace qwend
