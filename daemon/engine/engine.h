#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/engine/metrics.h"
#include "daemon/engine/sequence.h"
#include "daemon/engine/vector_head.h"
#include "model/backend.h"

namespace qwend {

enum class EngineState { loading, ready, draining, failed, stalled, stopped };
std::string_view engine_state_name(EngineState state);  // "gpu_failed" for failed, as /health says

/// What an engine computes with.
struct EngineParts {
    template <class SomeBackend>
    EngineParts(std::unique_ptr<SomeBackend> some_backend, VectorHead vector_head = {})
        : backend(std::move(some_backend)), head(std::move(vector_head)) {}

    std::unique_ptr<Backend> backend;
    VectorHead head;
};

struct EngineOptions {
    int max_queue = 256;  // sequences beyond those that can run at once; more are refused
    bool prefix_cache = true;
    /// A longer wait for a step means that the device will never answer. The time in which the
    /// process was stopped does not count.
    double step_timeout_s = 60;
};

/// The worker thread and its two mailboxes. Threading contract: every public function but
/// backend_info() may be called from the loop thread only. The worker calls `wake`, from its own
/// thread, when the outbox goes from empty to non-empty, and when it turns ready or failed. The
/// worker touches neither sockets nor text; the loop never touches the backend.
class Engine {
  public:
    using BackendFactory = std::function<EngineParts()>;

    Engine(EngineOptions options, EngineMetrics& metrics, std::function<void()> wake);
    /// Stops the worker; running sequences end without events. Waits for the steps in progress: a
    /// stalled device never returns from them, so leave a stalled process with _exit(). So also a
    /// failed one: the backend is left as it was, and what exit() runs might touch the device.
    ~Engine();

    /// Starts the worker: it makes the backend (off the loop), proves it with a one-token forward
    /// pass, and turns ready; or failed, with `failure()` saying why. Call once.
    /// The rule for failures: whatever the backend throws once ready, BackendFault before, and at
    /// any time want of memory, which the next process may find, and a step that exceeds its
    /// timeout, is a fault of the device. The backend is never called again, not even destroyed,
    /// and no token of it is delivered any more. Anything else that is thrown before it is ready
    /// (LoadError, as a rule) says that the model or the configuration does not do, and leaves the
    /// device as it was.
    void start(BackendFactory factory);

    /// Never draining, which is the API's decision. Failed and stalled are for good: clients were
    /// told by then, so a step that comes back after all comes too late. Nobody is woken for a
    /// stall, since the one to do it is stuck: ask once a second.
    EngineState state() const;
    std::string failure() const;   // empty unless failed or stalled
    bool refused_to_load() const;  // failed, and not by the device's fault
    /// Once ready, with the size of vectors as events have them, behind the head; any thread.
    std::optional<BackendInfo> backend_info() const;
    /// For the watchdog: differs from the last call's value if the worker is alive. It advances
    /// with every turn of the worker; a worker that sleeps because it has nothing to do is alive
    /// too, and is not woken for this: then the call itself advances it. It stands still in a step
    /// that does not end, and after a failure.
    uint64_t heartbeat() const;

    /// Whether submit() would take `n` sequences; to be asked before anything is spent on them.
    bool has_room(size_t n) const;
    /// Takes all requests or, if the queue has no room for all or the engine is not ready, none
    /// (false). A request that could never fit the KV cache, or needs what the backend cannot do,
    /// finishes at once, with an error.
    /// Quick: it copies no prompt.
    bool submit(std::vector<GenerationRequest> requests);
    /// Ends a sequence within one step, wherever it is; no event of it is delivered any more.
    /// Unknown ids are ignored. `reason` is what the metrics say of it: abort where nobody wants
    /// the rest; stop where the answer is complete, which makes it one that finished.
    void cancel(SequenceId id, FinishReason reason = FinishReason::abort);
    /// Holds a sequence back where nobody takes its tokens: it gets no more of them than one for
    /// each step already in flight, keeps its blocks until another needs them, and goes on where it
    /// was once it is resumed. It still counts as unfinished. Both may be called again and again;
    /// unknown ids are ignored.
    void hold(SequenceId id);
    void resume(SequenceId id);
    /// Everything that happened since the last call, in order. After a failure or a stall it ends
    /// what was in flight with FinishReason::error.
    std::vector<TokenEvent> take_events();

    int n_unfinished() const;  // submitted and neither finished (as delivered) nor cancelled

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace qwend
