#pragma once

#include <doctest/doctest.h>

#include <cstdio>

/// Says that the running test case cannot be run on this machine; the caller returns. doctest
/// counts it as passed, so tests/run-all reads this line.
inline void skip(const char* reason) {
    std::printf("skipped: %s: %s\n", doctest::getContextOptions()->currentTest->m_name, reason);
}
