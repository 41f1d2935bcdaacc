#pragma once

#include <cstdint>

namespace qwend::grammar {

/// Counts the characters in the body of a JSON string, byte by byte: an escape is one, and so is a
/// sequence of UTF-8. What is no such body is not looked for.
struct CharacterScan {
    uint32_t count = 0;  // begun
    uint32_t state = 0;  // 0: none is open

    static CharacterScan from(uint32_t packed) { return {packed & 0x0FFFFFFF, packed >> 28}; }
    uint32_t packed() const { return count | state << 28; }

    void read(uint8_t byte) {
        if (state == 0) {
            count++;
            state = byte == '\\'  ? kBackslash
                    : byte < 0xC0 ? 0
                    : byte < 0xE0 ? 1
                    : byte < 0xF0 ? 2
                                  : 3;
        } else if (state == kBackslash) {
            state = byte == 'u' ? kBackslash + 4 : 0;
        } else {
            state = state == kBackslash + 1 ? 0 : state - 1;
        }
    }

  private:
    static constexpr uint32_t kBackslash = 4;  // below: bytes of UTF-8 to come; above: digits of \u
};

}  // namespace qwend::grammar
