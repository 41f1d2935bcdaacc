#include "daemon/engine/engine.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <variant>

#include "daemon/engine/backend_contract.h"
#include "daemon/engine/event_joiner.h"
#include "daemon/engine/mailbox.h"
#include "daemon/engine/request_metrics.h"
#include "daemon/engine/scheduler.h"
#include "daemon/engine/step_pace.h"
#include "model/host_memory.h"
#include "net/clock.h"

namespace qwend {
namespace {

constexpr double kLongestLook = 2;               // s between two looks of the loop that count
constexpr size_t kSoonTokens = 512;              // a step of no more is soon over
constexpr std::chrono::milliseconds kQuiet{50};  // without requests, until idle time is used

struct Submission {
    GenerationRequest request;
    double submitted_at;
    std::shared_ptr<ChoiceGroup> group;
};
struct Cancellation {
    SequenceId id;
    FinishReason reason;
};
struct Hold {
    SequenceId id;
};
struct Resumption {
    SequenceId id;
};
using Command = std::variant<Submission, Cancellation, Hold, Resumption>;

TokenEvent error_event(SequenceId id, std::string_view error = {}) {
    TokenEvent event;
    event.id = id;
    event.finish = FinishReason::error;
    event.error = error;
    return event;
}

}  // namespace

struct Engine::Impl {
    const EngineOptions options;
    EngineMetrics& metrics;
    const std::function<void()> wake;

    // Between the threads.
    Mailbox<Command> inbox;
    Mailbox<TokenEvent> outbox;
    std::atomic<uint64_t> heartbeat{0};
    std::atomic<double> step_began{-1};  // s; negative outside launch() and collect()
    mutable std::mutex status_mutex;     // for the next four
    EngineState state = EngineState::stopped;
    std::string failure;
    bool refused_to_load = false;
    std::optional<BackendInfo> info;

    // The loop thread's.
    std::set<SequenceId> unfinished;
    std::string stall;        // not empty once a step exceeded its timeout
    double watched = -1;      // step_began of the step that is timed
    double looked_at = 0;     // s, when it was last looked at
    double step_seconds = 0;  // of it, while the loop was running too
    std::thread worker;

    // The worker's.
    std::unique_ptr<Backend> backend;
    VectorHead head;
    bool may_prepare = true;
    bool has_served = false;  // since it last prepared
    std::unique_ptr<Scheduler> scheduler;
    struct Launched {
        double at;
        size_t n_tokens;
        StepCounts counts;
    };
    std::deque<Launched> in_flight;  // oldest first
    double last_step_ended = 0;
    std::optional<StepPace> pace;  // if steps are to take no longer than so long
    StepResult result;
    std::vector<StepOutput> outputs;
    EventJoiner events;
    SchedulerCounters counted;  // what metrics already has

    Impl(EngineOptions options, EngineMetrics& metrics, std::function<void()> wake)
        : options(options), metrics(metrics), wake(std::move(wake)) {}

    void run(const BackendFactory& factory);
    void load(const BackendFactory& factory);
    void prove();
    void serve();
    std::vector<Command> wait();
    void apply(Command command);
    void apply(const Cancellation& cancellation);
    bool launch_step();
    void collect_step();
    void observe_pace(const Launched& step);
    void record_outputs();
    void give_events();
    void update_gauges();
    void fail(const std::string& why, bool is_fault);
    EngineState stored_state() const;
    bool notice_stall();
};

// The worker thread.

void Engine::Impl::run(const BackendFactory& factory) {
    metrics.worker_cpu.attach();
    try {
        load(factory);
        serve();
        backend.reset();  // on the thread that made and used it
        return;
    } catch (const BackendFault& e) {
        fail(e.what(), true);
    } catch (const NoMemory& e) {
        fail(e.what(), true);
    } catch (const std::bad_alloc&) {
        fail(stored_state() == EngineState::loading
                 ? "the model does not fit the memory of this machine; a smaller kv-cache-memory, "
                   "max-step-tokens or model may"
                 : "out of memory",
             true);  // who else has the memory may give it back
    } catch (const std::exception& e) {
        fail(e.what(), false);
    } catch (...) {
        fail("the backend threw something that is no std::exception", false);
    }
    abandon(std::move(backend));
}

void Engine::Impl::load(const BackendFactory& factory) {
    EngineParts parts = factory();
    backend = std::move(parts.backend), head = std::move(parts.head);
    check_info(backend->info());
    prove();
    scheduler = std::make_unique<Scheduler>(backend->info(), options.prefix_cache);
    if (const BackendInfo& b = backend->info(); b.busy_step_tokens > 0)
        pace.emplace(b.busy_step_seconds, b.busy_step_tokens, b.max_step_tokens);
    metrics.kv_block_size.set(backend->info().block_size);
    metrics.prefix_caching.set(options.prefix_cache);
    update_gauges();
    {
        std::lock_guard lock(status_mutex);
        info = backend->info();
        info->vector_size = head_size(head, info->vector_size);
        state = EngineState::ready;
    }
    wake();
}

/// One token, forward: what it takes to say that the device works.
void Engine::Impl::prove() {
    SamplingParams greedy;
    greedy.temperature = 0;
    const int32_t token = 0;
    BatchSequence sequence;
    sequence.n_query = sequence.n_context = 1;
    sequence.prompt = std::span(&token, 1);
    if (backend->info().samples)
        sequence.sampling = &greedy;
    else
        sequence.n_pooled = 1;
    Batch probe;
    probe.tokens = probe.positions = probe.slots = probe.block_tables = {0};
    probe.sequences = {sequence};
    step_began = steady_seconds();
    backend->step(probe, result);
    step_began = -1;
    check_result(count_results(probe), backend->info(), result);
}

void Engine::Impl::serve() {
    for (;;) {
        auto commands = scheduler->idle() ? wait() : inbox.take();
        if (inbox.closed()) return;
        for (Command& command : commands) apply(std::move(command));
        while (scheduler->n_in_flight() < backend->info().max_steps_in_flight && launch_step()) {
        }
        if (scheduler->n_in_flight() > 0) collect_step();
        update_gauges();
        give_events();
        heartbeat.fetch_add(1, std::memory_order_relaxed);
    }
}

/// Until there is something to do. The backend is prepared meanwhile: before anybody has asked for
/// anything, and again when nobody has for a while, because the next one to ask waits for a piece;
/// but not while a held sequence has a lane.
std::vector<Command> Engine::Impl::wait() {
    while (may_prepare && scheduler->held().empty()) {
        auto commands = has_served ? inbox.wait(kQuiet) : inbox.take();
        if (!commands.empty() || inbox.closed()) return commands;
        has_served = false;
        step_began = steady_seconds();
        may_prepare = backend->prepare();
        step_began = -1;
        heartbeat.fetch_add(1, std::memory_order_relaxed);
    }
    return inbox.wait();
}

void Engine::Impl::apply(Command command) {
    if (const auto* cancellation = std::get_if<Cancellation>(&command)) return apply(*cancellation);
    if (const auto* hold = std::get_if<Hold>(&command)) return scheduler->hold(hold->id);
    if (const auto* resumption = std::get_if<Resumption>(&command))
        return scheduler->resume(resumption->id);
    has_served = true;
    auto& submission = std::get<Submission>(command);
    const SequenceId id = submission.request.id;
    const std::string_view missing = missing_capability(submission.request, backend->info());
    if (missing.empty() && scheduler->add(std::move(submission.request), submission.submitted_at,
                                          std::move(submission.group)))
        return;
    finish_counter(metrics, FinishReason::error).add();
    events.add(error_event(id, missing), true);
}

void Engine::Impl::apply(const Cancellation& cancellation) {
    const Sequence* sequence = scheduler->find(cancellation.id);
    if (!sequence) return;
    if (cancellation.reason == FinishReason::abort)
        finish_counter(metrics, cancellation.reason).add();
    else
        record_finish(metrics, *sequence, cancellation.reason);
    scheduler->cancel(cancellation.id);
}

/// False if there is nothing to launch before a step in flight is collected.
bool Engine::Impl::launch_step() {
    if (scheduler->idle()) return false;
    const Batch& batch = scheduler->schedule(steady_seconds());
    if (batch.sequences.empty()) return false;
    step_began = steady_seconds();
    in_flight.push_back({step_began, batch.tokens.size(), count_results(batch)});
    backend->launch(batch);
    step_began = -1;
    return true;
}

void Engine::Impl::collect_step() {
    const Launched step = in_flight.front();
    in_flight.pop_front();
    result.samples.clear(), result.scores.clear(), result.vectors.clear();
    step_began = steady_seconds();
    backend->collect(result);
    step_began = -1;
    if (pace) observe_pace(step);
    check_result(step.counts, backend->info(), result);
    scheduler->postprocess(result, outputs);
    if (scheduler->can_find_masks()) {
        step_began = steady_seconds();
        backend->give_masks(scheduler->find_masks());
        step_began = -1;
    }
    metrics.iteration_tokens.observe(static_cast<double>(step.n_tokens));
    apply_head(head, backend->info().vector_size, outputs);
    record_outputs();
}

/// A step runs from its launch, or from the end of the one that was launched before it.
void Engine::Impl::observe_pace(const Launched& step) {
    const double ended = steady_seconds();
    const double began = std::max(step.at, std::exchange(last_step_ended, ended));
    pace->observe(static_cast<int>(step.n_tokens), ended - began);
    scheduler->set_busy_step_tokens(pace->tokens());
}

void Engine::Impl::record_outputs() {
    const double time = steady_seconds();
    for (StepOutput& output : outputs) {
        const bool is_end = output.event.finish != FinishReason::none;
        const bool is_first = output.sequence->times.first_token < 0;
        if (output.event.sampled.token >= 0) record_token(metrics, *output.sequence, time);
        if (output.sequence->pooling && output.event.finish == FinishReason::stop)
            record_vectors(metrics, *output.sequence, time);
        if (is_end) record_finish(metrics, *output.sequence, output.event.finish);
        events.add(std::move(output.event), is_end || is_first);
    }
    outputs.clear();
}

/// Tokens may wait for those of the next step if that is one of decode, which is soon over.
void Engine::Impl::give_events() {
    const bool may_keep = !in_flight.empty() && in_flight.front().n_tokens <= kSoonTokens;
    if (outbox.put(events.take(steady_seconds(), may_keep))) wake();
}

void Engine::Impl::update_gauges() {
    const KvBlocks& blocks = scheduler->blocks();
    const int n_used = blocks.n_blocks() - blocks.n_free();
    const auto n_running =
        static_cast<double>(scheduler->running().size() + scheduler->held().size());
    metrics.num_requests_running.set(n_running);
    metrics.num_requests_waiting.set(scheduler->n_sequences() - n_running);
    metrics.kv_blocks_total.set(blocks.n_blocks());
    metrics.kv_blocks_used.set(n_used);
    metrics.kv_cache_usage_perc.set(static_cast<double>(n_used) / blocks.n_blocks());

    const SchedulerCounters& total = scheduler->counters();
    metrics.num_preemptions.add(total.preemptions - counted.preemptions);
    metrics.prefix_cache_queries.add(total.prefix_queried - counted.prefix_queried);
    metrics.prefix_cache_hits.add(total.prefix_hit - counted.prefix_hit);
    for (size_t i = 0; i < kDraftSources; ++i) {
        metrics.drafts[i].steps.add(total.drafts[i].steps - counted.drafts[i].steps);
        metrics.drafts[i].tokens.add(total.drafts[i].tokens - counted.drafts[i].tokens);
        metrics.drafts[i].accepted.add(total.drafts[i].accepted - counted.drafts[i].accepted);
    }
    counted = total;
}

void Engine::Impl::fail(const std::string& why, bool is_fault) {
    step_began = -1;
    outbox.put(events.take(steady_seconds(), false));
    metrics.num_requests_running.set(0);
    metrics.num_requests_waiting.set(0);
    metrics.kv_blocks_used.set(0);
    metrics.kv_cache_usage_perc.set(0);
    {
        std::lock_guard lock(status_mutex);
        failure = why;
        refused_to_load = !is_fault && state == EngineState::loading;
        state = EngineState::failed;
    }
    wake();  // take_events() ends what was in flight
}

// The loop thread.

EngineState Engine::Impl::stored_state() const {
    std::lock_guard lock(status_mutex);
    return state;
}

/// Whether a step has ever taken longer than it may. A process that was stopped, or whose machine
/// was, has waited for nothing: the loop did not run either. Of the time between two looks at a
/// step, which the loop takes at least once a second, only so much counts.
bool Engine::Impl::notice_stall() {
    const double began = step_began, time = steady_seconds();
    const double longest = std::min(kLongestLook, options.step_timeout_s / 2);
    if (began != std::exchange(watched, began)) step_seconds = 0, looked_at = began;
    const double since = time - std::exchange(looked_at, time);
    if (began >= 0) step_seconds += std::min(since, longest);
    if (stall.empty() && step_seconds > options.step_timeout_s)
        stall = fmt::format(
            "a step has been running for {:.1f} s, more than step-timeout = {} s; where the "
            "machine is merely slow, raise step-timeout or lower max-step-tokens",
            step_seconds, options.step_timeout_s);
    return !stall.empty();
}

Engine::Engine(EngineOptions options, EngineMetrics& metrics, std::function<void()> wake)
    : impl_(std::make_unique<Impl>(options, metrics, std::move(wake))) {}

Engine::~Engine() {
    impl_->inbox.close();
    if (impl_->worker.joinable()) impl_->worker.join();
}

void Engine::start(BackendFactory factory) {
    {
        std::lock_guard lock(impl_->status_mutex);
        impl_->state = EngineState::loading;
    }
    impl_->worker = std::thread([impl = impl_.get(), factory = std::move(factory)] {
        pthread_setname_np(pthread_self(), "qwend-worker");
        impl->run(factory);
    });
}

EngineState Engine::state() const {
    // Noticed first: a step that ends late, and badly, was a stall to clients already.
    return impl_->notice_stall() ? EngineState::stalled : impl_->stored_state();
}

std::string Engine::failure() const {
    if (state() == EngineState::stalled) return impl_->stall;
    std::lock_guard lock(impl_->status_mutex);
    return impl_->failure;
}

bool Engine::refused_to_load() const {
    std::lock_guard lock(impl_->status_mutex);
    return impl_->refused_to_load;
}

std::optional<BackendInfo> Engine::backend_info() const {
    std::lock_guard lock(impl_->status_mutex);
    return impl_->info;
}

uint64_t Engine::heartbeat() const {
    if (impl_->inbox.idle()) impl_->heartbeat.fetch_add(1, std::memory_order_relaxed);
    return impl_->heartbeat.load(std::memory_order_relaxed);
}

bool Engine::has_room(size_t n) const {
    if (state() != EngineState::ready) return false;
    const auto capacity = static_cast<size_t>(backend_info()->max_sequences) +
                          static_cast<size_t>(impl_->options.max_queue);
    return impl_->unfinished.size() + n <= capacity;
}

bool Engine::submit(std::vector<GenerationRequest> requests) {
    if (!has_room(requests.size())) return false;
    const double time = steady_seconds();
    std::vector<Command> commands;
    std::shared_ptr<ChoiceGroup> group;
    int n_left = 0;  // choices still to come of the last group
    for (GenerationRequest& request : requests) {
        if (n_left <= 0) {
            n_left = request.n_choices;
            group = std::make_shared<ChoiceGroup>(ChoiceGroup{.n_choices = request.n_choices});
        }
        --n_left;
        impl_->unfinished.insert(request.id);
        commands.push_back(Submission{std::move(request), time, group});
    }
    impl_->inbox.put(std::move(commands));
    return true;
}

void Engine::cancel(SequenceId id, FinishReason reason) {
    if (impl_->unfinished.erase(id) > 0) impl_->inbox.put({Cancellation{id, reason}});
}

void Engine::hold(SequenceId id) {
    if (impl_->unfinished.contains(id)) impl_->inbox.put({Hold{id}});
}

void Engine::resume(SequenceId id) {
    if (impl_->unfinished.contains(id)) impl_->inbox.put({Resumption{id}});
}

std::vector<TokenEvent> Engine::take_events() {
    auto& unfinished = impl_->unfinished;
    // Before the outbox is emptied: what the worker gave before it failed is then in there.
    const EngineState state = this->state();
    std::vector<TokenEvent> events = impl_->outbox.take();
    // A step that came back after all: what was there in time was taken long ago.
    if (state == EngineState::stalled) events.clear();
    std::erase_if(events, [&](const TokenEvent& event) {
        if (event.finish != FinishReason::none) return unfinished.erase(event.id) == 0;
        return !unfinished.contains(event.id);  // cancelled
    });
    if (state == EngineState::failed || state == EngineState::stalled) {
        for (SequenceId id : std::exchange(unfinished, {})) {
            finish_counter(impl_->metrics, FinishReason::error).add();
            events.push_back(error_event(id));
        }
    }
    return events;
}

int Engine::n_unfinished() const {
    return static_cast<int>(impl_->unfinished.size());
}

std::string_view engine_state_name(EngineState state) {
    switch (state) {
        case EngineState::loading:
            return "loading";
        case EngineState::ready:
            return "ready";
        case EngineState::draining:
            return "draining";
        case EngineState::failed:
            return "gpu_failed";
        case EngineState::stalled:
            return "stalled";
        case EngineState::stopped:
            return "stopped";
    }
    return "unknown";
}

}  // namespace qwend
