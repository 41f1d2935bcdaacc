#pragma once

#include <stdexcept>

namespace qwend {

/// A configuration or a checkpoint that cannot be served. The message is shown to the operator as
/// it is: what was expected, what was found (file, field, values) and what to do about it.
/// Thrown while loading only; nothing on the path of a request throws it.
struct LoadError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace qwend
