#pragma once

#include <cstdint>
#include <span>

namespace qwend {

/// A hash whose collisions nobody can choose who does not know the key: SipHash-2-4 (Aumasson and
/// Bernstein, "SipHash: a fast short-input PRF", 2012).
class SipHash {
  public:
    struct Key {
        uint64_t k0 = 0, k1 = 0;
    };
    static Key random_key();

    explicit SipHash(Key key) : key_(key) {}
    uint64_t operator()(std::span<const uint8_t> bytes) const;

  private:
    Key key_;
};

}  // namespace qwend
