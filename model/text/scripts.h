#pragma once

#include <cstdint>

namespace qwend {

/// The script of a character (UAX #24), by a number of its own; 0: it has none. Japanese writes in
/// three, which are one here, as SentencePiece has it.
int script_of(int32_t code_point);

}  // namespace qwend
