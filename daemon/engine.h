#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "daemon/metrics.h"
#include "model/backend.h"

namespace qwend {

using SequenceId = uint64_t;

/// One stream of tokens to generate; a request with n choices is n of these.
struct GenerationRequest {
    SequenceId id = 0;            // chosen by the caller, unique while it runs
    std::vector<int32_t> prompt;  // at least one id
    SamplingParams sampling;
    int max_tokens = 0;      // > 0; prompt + max_tokens <= context, checked by the caller
    int priority = 0;        // lower runs first, as in vLLM; ties in order of arrival
    std::string cache_salt;  // separates prefix caches
};

enum class FinishReason { none, stop, length, abort, error };

/// What one step did to one sequence.
struct TokenEvent {
    SequenceId id = 0;
    SampledToken sampled;  // token == -1: none, only a finish
    FinishReason finish = FinishReason::none;
    int n_cached_tokens = 0;  // prompt tokens the prefix cache gave; set on the first event
};

enum class EngineState { loading, ready, draining, failed, stalled, stopped };
std::string_view engine_state_name(EngineState state);  // "gpu_failed" for failed, as /health says

struct EngineOptions {
    int max_queue = 256;              // waiting sequences; more are refused
    bool prefix_cache = true;
    double step_timeout_s = 60;       // a step that takes longer means the device stalled
};

/// The worker thread and its two mailboxes. Threading contract: every public function may be
/// called from the loop thread only, except that the worker calls `wake` (from its own thread) when
/// the outbox goes from empty to non-empty. The worker touches neither sockets nor text; the loop
/// never touches the backend.
class Engine {
  public:
    using BackendFactory = std::function<std::unique_ptr<Backend>()>;

    Engine(EngineOptions options, Metrics& metrics, std::function<void()> wake);
    ~Engine();  // stops the worker; running sequences end without events

    /// Starts the worker: it makes the backend (off the loop), proves it with a one-token forward
    /// pass, and turns ready; or failed, with `failure()` saying why.
    void start(BackendFactory factory);

    EngineState state() const;
    std::string failure() const;                  // empty unless failed or stalled
    std::optional<BackendInfo> backend_info() const;  // once ready
    uint64_t heartbeat() const;  // advances with every turn of the worker, idle ones included

    /// Takes all requests or, if the queue has no room for all, none (false).
    bool submit(std::vector<GenerationRequest> requests);
    /// Ends a sequence within one step, wherever it is; no further event of it is delivered after
    /// the next take_events(). Unknown ids are ignored.
    void cancel(SequenceId id);
    /// Everything that happened since the last call, in order.
    std::vector<TokenEvent> take_events();

    int n_unfinished() const;  // submitted and neither finished nor cancelled

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace qwend
