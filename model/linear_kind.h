#pragma once

namespace qwend {

/// How a matrix is stored: it decides what else belongs to it, and which product computes with it.
enum class LinearKind {
    dense,  // a number an element
};

}  // namespace qwend
