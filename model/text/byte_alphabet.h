#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace qwend {

/// GPT-2's alphabet: a character for every byte, so that a vocabulary of bytes is one of text.
/// Printable Latin-1 stands for itself, the other bytes for U+0100 onwards.
const std::array<int32_t, 256>& byte_alphabet();

/// Bytes (" hello") in the alphabet ("Ġhello"), appended to `out`.
void append_alphabet(std::string_view bytes, std::string& out);

/// A token of the alphabet as bytes; false if a character is outside it.
bool bytes_from_alphabet(std::string_view token, std::string& bytes);

}  // namespace qwend
