#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace qwend {

/// The pre-tokenizer regex published with Qwen2 and Qwen2.5, matched by pretoken_end().
inline constexpr std::string_view kQwenPretokenizerRegex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";

/// The end of the pre-token that begins at `begin` (< text.size()): what kQwenPretokenizerRegex
/// matches there. Always advances; an invalid byte counts as a symbol.
size_t pretoken_end(std::string_view text, size_t begin);

/// Unicode normalisation form C. Text that is already plain ASCII, or not valid UTF-8, is returned
/// in `text` itself; else in `storage`.
std::string_view normalize_nfc(std::string_view text, std::string& storage);

}  // namespace qwend
