#pragma once

#include "daemon/engine/metrics.h"
#include "daemon/engine/sequence.h"

namespace qwend {

/// What /metrics says of sequences; the engine's worker calls these. `time` is in seconds of the
/// clock of SequenceTimes.
Counter& finish_counter(EngineMetrics& metrics, FinishReason finish);  // of any reason but none
void record_token(EngineMetrics& metrics, Sequence& sequence, double time);
/// Of a sequence that ends with vectors.
void record_vectors(EngineMetrics& metrics, const Sequence& sequence, double time);
/// Counts the end. Times and lengths are recorded too where there is a token and no error.
void record_finish(EngineMetrics& metrics, const Sequence& sequence, FinishReason finish);

}  // namespace qwend
