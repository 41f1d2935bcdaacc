#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace qwend::grammar {

/// A set of bytes.
class ByteSet {
  public:
    constexpr ByteSet() = default;
    static constexpr ByteSet range(int first, int last) {
        ByteSet set;
        for (int byte = first; byte <= last; byte++) set.add(uint8_t(byte));
        return set;
    }
    static constexpr ByteSet all() { return ByteSet().complement(); }

    constexpr void add(uint8_t byte) { words_[byte / 64] |= uint64_t(1) << (byte % 64); }
    constexpr bool contains(uint8_t byte) const { return words_[byte / 64] >> (byte % 64) & 1; }
    constexpr bool empty() const { return *this == ByteSet(); }
    constexpr ByteSet complement() const {
        ByteSet set;
        for (size_t i = 0; i < words_.size(); i++) set.words_[i] = ~words_[i];
        return set;
    }
    constexpr ByteSet& operator|=(const ByteSet& other) {
        for (size_t i = 0; i < words_.size(); i++) words_[i] |= other.words_[i];
        return *this;
    }
    constexpr ByteSet& operator&=(const ByteSet& other) {
        for (size_t i = 0; i < words_.size(); i++) words_[i] &= other.words_[i];
        return *this;
    }
    constexpr bool operator==(const ByteSet&) const = default;

    /// Calls `visit` with each member, ascending.
    template <class Visit>
    constexpr void for_each(Visit&& visit) const {
        for (size_t i = 0; i < words_.size(); i++)
            for (uint64_t left = words_[i]; left; left &= left - 1)
                visit(uint8_t(i * 64 + size_t(std::countr_zero(left))));
    }
    /// The least byte that is no member; 256 if all are.
    constexpr int first_missing() const {
        for (size_t i = 0; i < words_.size(); i++)
            if (~words_[i]) return int(i * 64) + std::countr_one(words_[i]);
        return 256;
    }
    constexpr const std::array<uint64_t, 4>& words() const { return words_; }

  private:
    std::array<uint64_t, 4> words_{};
};

}  // namespace qwend::grammar
