#pragma once

#include <doctest/doctest.h>

namespace qwend {

/// Runs the case once with a single step in flight and once with two. Not beside other subcases.
inline int each_depth() {
    int depth = 1;
    SUBCASE("one step in flight") {}
    SUBCASE("two steps in flight") {
        depth = 2;
    }
    return depth;
}

}  // namespace qwend
