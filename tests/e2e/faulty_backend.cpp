#include "tests/e2e/faulty_backend.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include "model/error.h"

namespace qwend {

namespace {

constexpr useconds_t kSlowStep = 3000, kVerySlowStep = 1000000;  // µs

std::atomic<bool> faulted{false};

void require_healthy(const char* what) {
    if (!faulted) return;
    std::fprintf(stderr, "the failed backend was touched: %s\n", what);
    std::abort();
}

/// Runs when exit() does.
struct ExitWatch {
    ~ExitWatch() { require_healthy("exit()"); }
} exit_watch;

class FaultyBackend final : public Backend {
  public:
    FaultyBackend(std::unique_ptr<Backend> backend, std::string kind, int step, const char* after)
        : backend_(std::move(backend)), kind_(std::move(kind)), step_(step), after_(after) {}
    ~FaultyBackend() override { require_healthy("destructor"); }

    const BackendInfo& info() const override { return backend_->info(); }

    void launch(const Batch& batch) override {
        require_healthy("launch");
        if (after_) usleep(kSlowStep);
        const bool counts = !after_ || n_launched_ > 0 || access(after_, F_OK) == 0;
        if (counts && n_launched_++ == step_ - int(after_ != nullptr)) is_next_ = true;
        if (is_next_ && kind_ == "launch-throws") fault("launch");
        backend_->launch(batch);
        n_in_flight_++;
        if (is_next_ && faulty_ < 0) faulty_ = n_in_flight_ - 1;
    }

    void collect(StepResult& result) override {
        require_healthy("collect");
        const bool is_faulty = faulty_-- == 0;
        if (is_faulty && kind_ == "slow") {  // no fault
            std::fprintf(stderr, "a slow step\n");
            usleep(kVerySlowStep);
            is_next_ = false;
        }
        if (is_faulty && kind_ == "no-memory") {
            announce();
            throw std::bad_alloc();
        }
        if (is_faulty && kind_ == "collect-throws") fault("collect");
        if (is_faulty && kind_ == "stall") {
            announce();
            for (;;) pause();
        }
        backend_->collect(result);
        n_in_flight_--;
        if (is_faulty && kind_ == "not-a-number" && !result.samples.empty()) {
            result.samples.back().token = kNotANumber;  // a fault of one answer
            is_next_ = false;
        } else if (is_faulty && kind_ != "slow" && !result.samples.empty()) {
            announce();
            if (kind_ == "wrong-count") result.samples.pop_back();
            if (kind_ == "bad-token") result.samples.back().token = 1 << 30;
            return;
        }
        if (!is_first_) n_sampled_ += result.samples.size();
        is_first_ = false;
    }

    bool prepare() override {
        require_healthy("prepare");
        return backend_->prepare();
    }

  private:
    void announce() {
        std::fprintf(stderr, "fault injected after %zu tokens\n", n_sampled_);
        faulted = true;
    }
    [[noreturn]] void fault(const char* where) {
        announce();
        throw BackendFault(std::string("injected failure of ") + where);
    }

    std::unique_ptr<Backend> backend_;
    std::string kind_;
    int step_;
    const char* after_;  // nullptr: count from the start
    int n_launched_ = 0, n_in_flight_ = 0;
    bool is_next_ = false;  // the faulty step has been launched
    int faulty_ = -1;       // collects before its own
    bool is_first_ = true;  // the engine's own step: its token is nobody's
    size_t n_sampled_ = 0;
};

}  // namespace

std::unique_ptr<Backend> make_faulty_backend(
    const std::function<std::unique_ptr<Backend>()>& make) {
    const char* fault = std::getenv("QWEND_FAULT");
    if (!fault) return make();
    const std::string_view kind = fault;
    if (kind == "load-throws") throw LoadError("injected refusal to load");
    if (kind == "load-faults") {
        faulted = true;
        throw BackendFault("injected failure to load");
    }
    if (kind == "load-no-memory") throw std::bad_alloc();
    if (kind == "load-hangs") {
        std::fprintf(stderr, "loading hangs\n");
        for (;;) pause();
    }
    const size_t at = kind.find('@');
    if (at == std::string_view::npos) throw LoadError("QWEND_FAULT: expected kind@step");
    return std::make_unique<FaultyBackend>(make(), std::string(kind.substr(0, at)),
                                           std::atoi(fault + at + 1),
                                           std::getenv("QWEND_FAULT_AFTER"));
}

}  // namespace qwend
