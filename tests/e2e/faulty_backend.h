#pragma once

#include <functional>
#include <memory>

#include "model/backend.h"

namespace qwend {

/// For the test-only build qwend-faulty: the backend that `make` gives, with a fault in it.
///
/// QWEND_FAULT names it, "kind@step": launch-throws, collect-throws (BackendFault), stall (collect
/// never returns), wrong-count (a sample is missing), bad-token (one that is no token). Step 0 is
/// the engine's own first step. Without a step: load-throws (LoadError), load-faults
/// (BackendFault), load-no-memory (bad_alloc), load-hangs. QWEND_FAULT_AFTER names a file: steps
/// are counted, from 1, once it exists; and steps are slow, so that a test has time to get its
/// clients in.
///
/// When the fault happens it says on stderr how many tokens were sampled before. Whoever touches
/// the backend afterwards, or runs static destructors, as only exit() does, ends in abort(): a
/// device that failed is left alone.
std::unique_ptr<Backend> make_faulty_backend(const std::function<std::unique_ptr<Backend>()>& make);

}  // namespace qwend
