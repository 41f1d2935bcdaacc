#include "daemon/engine/siphash.h"

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

namespace qwend {

TEST_CASE("siphash: the values of the reference implementation") {
    const SipHash hash({0x0706050403020100, 0x0f0e0d0c0b0a0908});  // bytes 0 … 15
    std::vector<uint8_t> bytes(15);
    std::iota(bytes.begin(), bytes.end(), uint8_t{0});
    auto first = [&](size_t n) { return hash(std::span(bytes).first(n)); };
    CHECK(first(0) == 0x726fdb47dd0e0e31);
    CHECK(first(1) == 0x74f839c593dc67fd);
    CHECK(first(8) == 0x93f5f5799a932462);
    CHECK(first(15) == 0xa129ca6149be45e5);  // the paper's appendix A
}

TEST_CASE("siphash: another key, another hash") {
    const std::vector<uint8_t> bytes(64, 7);
    const SipHash::Key a = SipHash::random_key(), b = SipHash::random_key();
    CHECK((a.k0 != b.k0 || a.k1 != b.k1));
    CHECK(SipHash(a)(bytes) == SipHash(a)(bytes));
    CHECK(SipHash(a)(bytes) != SipHash(b)(bytes));
}

}  // namespace qwend
