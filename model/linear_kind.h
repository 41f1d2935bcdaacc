#pragma once

namespace qwend {

/// How a matrix is stored: it decides what else belongs to it, and which product computes with it.
/// Of the quantised kinds a weight is (code - zero) * scale.
enum class LinearKind {
    dense,  // a number an element
    int4,   // codes of 0 to 15
    int8,   // codes of 0 to 255
    fp8,    // codes are numbers themselves, e4m3; there is no zero
};

}  // namespace qwend
