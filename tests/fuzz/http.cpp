// Bytes at the request parser: whole and split must give the same requests and the same end, and no
// input may cost more than its length accounts for.

#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/unit/net/http_transcript.h"

namespace {

constexpr size_t kBodyLimit = 8u << 20;    // the daemon's default
constexpr double kSecondsPerByte = 20e-6;  // under sanitizers; a hundred times what it takes
constexpr double kSecondsBesides = 1;
constexpr int kRarely = 256;  // one input in so many is blown up to the limit

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

[[noreturn]] void fail(const char* what, const std::string& one, const std::string& other) {
    std::fprintf(stderr, "%s:\n%.400s\n%.400s\n", what, one.c_str(), other.c_str());
    std::abort();
}

/// The input with one of its parts repeated up to the limit: what an attacker would look for.
std::string blow_up(std::string_view input, uint32_t seed) {
    const size_t begin = seed % input.size();
    const size_t length = 1 + (seed / 977) % std::min<size_t>(64, input.size() - begin);
    const std::string_view part = input.substr(begin, length);
    std::string out(input.substr(0, begin));
    while (out.size() + part.size() + input.size() < kBodyLimit) out += part;
    return out.append(input.substr(begin));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using qwend::transcript;
    if (size == 0) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    uint32_t seed = 2166136261;
    for (char c : input) seed = (seed ^ uint8_t(c)) * 16777619;

    const std::string whole = transcript(input, {size});
    for (const std::vector<size_t>& pieces :
         {std::vector<size_t>{1}, {1 + seed % size, size}, {1 + seed % 7, 1 + seed % 31, 2}})
        if (const std::string split = transcript(input, pieces); split != whole)
            fail("the split changes the answer", whole, split);

    if (seed % kRarely != 0) return 0;
    const std::string large = blow_up(input, seed / kRarely);
    const double began = cpu_seconds();
    const std::string large_whole = transcript(large, {64 << 10});
    const double took = cpu_seconds() - began;
    if (took > kSecondsBesides + kSecondsPerByte * double(large.size()))
        fail("too long", std::to_string(took) + " s", std::to_string(large.size()) + " bytes");
    if (const std::string split = transcript(large, {1 + seed % 5000, 65537}); split != large_whole)
        fail("the split changes the answer", large_whole, split);
    return 0;
}
