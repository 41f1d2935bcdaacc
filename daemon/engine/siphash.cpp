#include "daemon/engine/siphash.h"

#include <bit>
#include <cstring>
#include <random>

namespace qwend {
namespace {

struct State {
    uint64_t v0, v1, v2, v3;

    void round() {
        v0 += v1, v1 = std::rotl(v1, 13), v1 ^= v0, v0 = std::rotl(v0, 32);
        v2 += v3, v3 = std::rotl(v3, 16), v3 ^= v2;
        v0 += v3, v3 = std::rotl(v3, 21), v3 ^= v0;
        v2 += v1, v1 = std::rotl(v1, 17), v1 ^= v2, v2 = std::rotl(v2, 32);
    }
    void absorb(uint64_t word) {
        v3 ^= word;
        round(), round();
        v0 ^= word;
    }
};

/// Up to eight bytes, the first one lowest.
uint64_t word_of(const uint8_t* bytes, size_t n) {
    uint64_t word = 0;
    if (n == 0) return word;
    if (std::endian::native == std::endian::little)
        std::memcpy(&word, bytes, n);
    else
        while (n-- > 0) word = word << 8 | bytes[n];
    return word;
}

}  // namespace

SipHash::Key SipHash::random_key() {
    std::random_device random;
    auto word = [&] { return uint64_t{random()} << 32 | random(); };
    return {word(), word()};
}

uint64_t SipHash::operator()(std::span<const uint8_t> bytes) const {
    State state{key_.k0 ^ 0x736f6d6570736575, key_.k1 ^ 0x646f72616e646f6d,
                key_.k0 ^ 0x6c7967656e657261, key_.k1 ^ 0x7465646279746573};
    const size_t n_whole = bytes.size() / 8 * 8;
    for (size_t i = 0; i < n_whole; i += 8) state.absorb(word_of(bytes.data() + i, 8));
    state.absorb(uint64_t{bytes.size()} << 56 |
                 word_of(bytes.data() + n_whole, bytes.size() - n_whole));
    state.v2 ^= 0xff;
    for (int i = 0; i < 4; ++i) state.round();
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace qwend
