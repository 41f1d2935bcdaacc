#include "model/text/byte_alphabet.h"

#include "model/text/code_points.h"
#include "model/utf8.h"

namespace qwend {

namespace {

std::array<int32_t, 256> make_alphabet() {
    std::array<int32_t, 256> alphabet{};
    int32_t next = 256;
    for (int b = 0; b < 256; b++) {
        const bool is_printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        alphabet[size_t(b)] = is_printable ? b : next++;
    }
    return alphabet;
}

/// The byte of each character, -1 for none.
std::array<int16_t, 512> make_bytes() {
    std::array<int16_t, 512> byte_of;
    byte_of.fill(-1);
    for (size_t b = 0; b < 256; b++) byte_of[size_t(byte_alphabet()[b])] = int16_t(b);
    return byte_of;
}

}  // namespace

const std::array<int32_t, 256>& byte_alphabet() {
    static const std::array<int32_t, 256> alphabet = make_alphabet();
    return alphabet;
}

void append_alphabet(std::string_view bytes, std::string& out) {
    for (const char byte : bytes) append_code_point(out, byte_alphabet()[uint8_t(byte)]);
}

bool bytes_from_alphabet(std::string_view token, std::string& bytes) {
    static const std::array<int16_t, 512> byte_of = make_bytes();
    bytes.clear();
    for (size_t at = 0; at < token.size();) {
        const DecodedChar c = utf8_at(token, at);
        if (!c.valid || c.code_point >= int32_t(byte_of.size()) ||
            byte_of[size_t(c.code_point)] < 0)
            return false;
        bytes.push_back(char(byte_of[size_t(c.code_point)]));
        at += size_t(c.length);
    }
    return true;
}

}  // namespace qwend
