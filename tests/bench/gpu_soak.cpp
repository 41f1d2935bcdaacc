// Drives a backend through the scheduler for a long time: random arrivals, lengths, parameters and
// cancellations of up to 64 streams in a pool too small for them, with the prefix cache on. Now and
// then everything else is let go, and two probes that run alone must get exactly what they got at
// the start. Fails (1) if they do not, if blocks are held when nobody is there, if a stream ends
// wrongly, or if memory grows after the warm-up. Without --model it makes a small checkpoint.
// usage: bench-gpu_soak [STEPS] [--deadline SECONDS] [--device cpu] [--model CHECKPOINT]

#include <cuda_runtime.h>
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <random>

#include "gpu/cuda_backend.h"
#include "model/cpu/cpu_backend.h"
#include "tests/unit/hashed_checkpoint.h"
#include "tests/unit/scheduled_run.h"

using namespace qwend;

namespace {

constexpr int kMaxStreams = 64, kStepTokens = 512, kPoolBlocks = 256;
constexpr int kLongestPrompt = 576, kMostTokens = 200;
constexpr double kMiB = 1 << 20;
// What may come and go: a list of a lane that is longer than any before, the allocator's own.
constexpr double kDeviceSlack = 4, kHostSlack = 16;  // MiB

struct Options {
    uint64_t n_steps = 1'000'000, probe_every = 10'000;
    double deadline = 1e18;  // seconds
    std::string device = "cuda", model;
    uint64_t seed = 1;
};

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

struct MemoryUse {
    double device = 0, host = 0;  // MiB in use: of the whole device, of this process
};

MemoryUse memory_use(bool is_cuda) {
    MemoryUse use;
    if (size_t free = 0, total = 0; is_cuda) {
        if (cudaMemGetInfo(&free, &total) != cudaSuccess) throw BackendFault("cudaMemGetInfo");
        use.device = double(total - free) / kMiB;
    }
    size_t all = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> all >> resident;
    use.host = double(resident) * double(sysconf(_SC_PAGESIZE)) / kMiB;
    return use;
}

/// Makes requests: prompts that often begin like others, any sampling parameters.
class Requests {
  public:
    Requests(int vocab, uint64_t seed) : vocab_(vocab), random_(seed) {
        for (int i = 0; i < 16; i++) beginnings_.push_back(tokens(512));
    }

    int below(int n) { return int(random_() % uint64_t(n)); }
    bool chance(double p) { return std::bernoulli_distribution(p)(random_); }
    /// 1 … n, small numbers as likely as large ones.
    int up_to(int n) { return std::min(n, int(std::exp(uniform(0, std::log(n + 1.0))))); }

    GenerationRequest any() {
        std::vector<int32_t> prompt;
        const auto& beginning = beginnings_[size_t(below(int(beginnings_.size())))];
        if (chance(0.7)) prompt.assign(beginning.begin(), beginning.begin() + up_to(512));
        const std::vector<int32_t> rest = tokens(up_to(kLongestPrompt - 512));
        prompt.insert(prompt.end(), rest.begin(), rest.end());
        GenerationRequest request = with_prompt(std::move(prompt));
        request.max_tokens = chance(0.5) ? up_to(kMostTokens) : 1 + below(kMostTokens);
        request.priority = chance(0.1) ? below(3) : 0;
        if (chance(0.1)) request.cache_salt = std::to_string(below(3));
        request.sampling = params();
        return request;
    }
    GenerationRequest with_prompt(std::vector<int32_t> prompt) {
        GenerationRequest request;
        request.id = ++n_requests_;
        request.prompt = std::move(prompt);
        request.sampling.temperature = 0;
        return request;
    }
    std::vector<int32_t> tokens(int n) {
        std::vector<int32_t> tokens;
        for (int i = 0; i < n; i++) tokens.push_back(below(vocab_));
        return tokens;
    }

  private:
    float uniform(double a, double b) {
        return float(std::uniform_real_distribution<double>(a, b)(random_));
    }

    SamplingParams params() {
        SamplingParams p;
        p.temperature = 0;
        if (chance(0.4)) return p;
        p.temperature = uniform(0.2, 1.5), p.seed = random_();
        if (chance(0.5)) p.top_p = uniform(0.5, 1);
        if (chance(0.3)) p.min_p = uniform(0, 0.2);
        if (chance(0.5)) p.top_k = up_to(200);
        if (chance(0.3)) p.repetition_penalty = uniform(0.9, 1.3);
        if (chance(0.3)) p.presence_penalty = uniform(-1, 1);
        if (chance(0.3)) p.frequency_penalty = uniform(-1, 1);
        if (chance(0.1)) p.logit_bias = {{below(vocab_ / 2), 3.0f}, {vocab_ / 2, -3.0f}};
        if (chance(0.1)) p.allowed_token_ids = tokens(20);
        if (chance(0.2)) p.stop_token_ids = tokens(3), p.min_tokens = below(5);
        if (chance(0.2)) p.n_logprobs = below(6);
        return p;
    }

    int vocab_;
    std::mt19937_64 random_;
    SequenceId n_requests_ = 0;
    std::vector<std::vector<int32_t>> beginnings_;
};

bool same(const std::vector<SampledToken>& a, const std::vector<SampledToken>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](auto& x, auto& y) {
        return x.token == y.token && x.logprob == y.logprob;
    });
}

class Soak {
  public:
    Soak(Backend& backend, int vocab, const Options& options)
        : options_(options),
          vocab_(vocab),
          requests_(vocab, options.seed),
          run_(backend, limits(backend.info()), true) {
        for (bool sampled : {false, true}) {
            GenerationRequest probe = requests_.with_prompt(requests_.tokens(200));
            probe.max_tokens = 32;
            SamplingParams& p = probe.sampling;
            p.n_logprobs = 0;
            if (sampled) {
                p.temperature = 0.9f, p.top_p = 0.9f, p.seed = 99, p.repetition_penalty = 1.1f;
                p.presence_penalty = 0.3f, p.frequency_penalty = 0.2f;
            }
            probes_.push_back(std::move(probe));
        }
    }

    /// True if all is well.
    bool run() {
        began_ = reported_ = seconds();
        for (const GenerationRequest& probe : probes_) expected_.push_back(answer(probe));
        visit_all_sizes();
        uint64_t next_probe = options_.probe_every;
        while (run_.n_steps() < options_.n_steps && seconds() - began_ < options_.deadline) {
            turn();
            if (run_.n_steps() < next_probe) continue;
            check();
            if (!is_warm_ && progress() > 0.05) is_warm_ = true, warm_ = memory();
            next_probe = run_.n_steps() + options_.probe_every;
        }
        check();
        const MemoryUse grown = growth();
        fmt::print(
            "soak: {} steps, {:.0f} s, drift {}, leaked blocks {}, wrong ends {}, device memory "
            "{:+.0f} MiB, host memory {:+.1f} MiB{}\n",
            run_.n_steps(), seconds() - began_, n_drifted_, n_leaked_, n_wrong_, grown.device,
            grown.host, is_warm_ ? "" : " (too short to tell growth)");
        return n_drifted_ == 0 && n_leaked_ == 0 && n_wrong_ == 0 && grown.device <= kDeviceSlack &&
               grown.host <= kHostSlack;
    }

  private:
    static BackendInfo limits(BackendInfo info) {
        info.n_blocks = std::min(info.n_blocks, kPoolBlocks);
        return info;
    }

    MemoryUse memory() const { return memory_use(options_.device == "cuda"); }
    MemoryUse growth() const {
        if (!is_warm_) return {};
        const MemoryUse now = memory();
        return {now.device - warm_.device, now.host - warm_.host};
    }
    double progress() const {
        return std::max(double(run_.n_steps()) / double(options_.n_steps),
                        (seconds() - began_) / options_.deadline);
    }

    /// Every batch size and every size of prefill that matrices are padded to, so that nothing is
    /// made later that could have been made before.
    void visit_all_sizes() {
        auto add = [&](int n_prompt, int max_tokens) {
            GenerationRequest request = requests_.with_prompt(requests_.tokens(n_prompt));
            request.max_tokens = max_tokens;
            run_.add(std::move(request));
        };
        for (int n = 8; n <= kStepTokens; n += 8) add(n, 2), drain();
        for (int n = 1; n <= kMaxStreams; n++) {
            for (int i = 0; i < n; i++) add(8, 6);
            drain();
        }
    }

    void turn() {
        if (requests_.chance(0.005)) wanted_ = requests_.up_to(kMaxStreams);
        while (int(run_.streams.size()) < wanted_ && requests_.chance(0.7))
            run_.add(requests_.any());
        if (!run_.streams.empty() && requests_.chance(0.005)) {
            const auto victim =
                std::next(run_.streams.begin(), requests_.below(int(run_.streams.size())));
            run_.cancel(victim->first);
            n_cancelled_++;
        }
        run_.turn();
        collect_finished();
        if (seconds() - reported_ > 5) report();
    }

    void collect_finished() {
        std::erase_if(run_.streams, [&](const auto& entry) {
            const ScheduledStream& stream = entry.second;
            if (stream.finish == FinishReason::none) return false;
            n_finished_++, n_wrong_ += !ended_well(stream);
            return true;
        });
    }

    bool ended_well(const ScheduledStream& stream) const {
        for (const SampledToken& sampled : stream.samples)
            if (sampled.token < 0 || sampled.token >= vocab_) return false;
        if (stream.finish == FinishReason::length)
            return int(stream.samples.size()) == stream.request.max_tokens;
        const auto& stops = stream.request.sampling.stop_token_ids;
        return stream.finish == FinishReason::stop &&
               std::find(stops.begin(), stops.end(), stream.samples.back().token) != stops.end();
    }

    void drain() {
        while (run_.turn()) collect_finished();
        const KvBlocks& blocks = run_.scheduler().blocks();
        n_leaked_ = std::max(n_leaked_, blocks.n_blocks() - blocks.n_free());
    }

    /// What a request gets that runs alone, and finds nothing in the prefix cache.
    std::vector<SampledToken> answer(GenerationRequest request) {
        const SequenceId id = request.id = requests_.with_prompt({}).id;
        request.cache_salt = "probe " + std::to_string(id);
        run_.add(std::move(request));
        run_.run();
        return std::move(run_.streams.extract(id).mapped().samples);
    }

    void check() {
        drain();
        for (size_t i = 0; i < probes_.size(); i++)
            n_drifted_ += !same(answer(probes_[i]), expected_[i]);
    }

    void report() {
        const double now = seconds();
        const SchedulerCounters& counters = run_.scheduler().counters();
        const MemoryUse grown = growth();
        fmt::print(
            "{:9} steps, {:6.0f} steps/s, {:2} streams, {} finished, {} cancelled, {} preempted, "
            "{:.0f}% of prompts cached, drift {}, device {:+.0f} MiB, host {:+.1f} MiB\n",
            run_.n_steps(), double(run_.n_steps() - reported_steps_) / (now - reported_),
            run_.streams.size(), n_finished_, n_cancelled_, counters.preemptions,
            100 * double(counters.prefix_hit) /
                double(std::max<uint64_t>(1, counters.prefix_queried)),
            n_drifted_, grown.device, grown.host);
        std::fflush(stdout);
        reported_ = now, reported_steps_ = run_.n_steps();
    }

    const Options& options_;
    int vocab_;
    Requests requests_;
    ScheduledRun run_;
    std::vector<GenerationRequest> probes_;
    std::vector<std::vector<SampledToken>> expected_;
    int wanted_ = 8;  // streams at a time, changed now and then
    bool is_warm_ = false;
    MemoryUse warm_;
    double began_ = 0, reported_ = 0;
    uint64_t reported_steps_ = 0;
    uint64_t n_finished_ = 0, n_cancelled_ = 0, n_wrong_ = 0, n_drifted_ = 0;
    int n_leaked_ = 0;
};

bool soak(const Options& options) {
    std::optional<HashedCheckpoint> hashed;
    if (options.model.empty()) hashed.emplace(golden_shapes()[0]);
    const auto checkpoint =
        hashed ? hashed->checkpoint
               : std::make_shared<const Checkpoint>(open_checkpoint(options.model));
    BackendOptions backend_options;
    backend_options.max_step_tokens = kStepTokens;
    backend_options.max_sequences = kMaxStreams;
    backend_options.max_context = 1024;
    backend_options.kv_cache_bytes = size_t(1) << 30;
    const auto backend = options.device == "cpu"
                             ? make_cpu_backend(*checkpoint, backend_options)
                             : make_cuda_backend(*checkpoint, 0, backend_options);
    fmt::print("{}, {}\n", backend->info().device,
               hashed ? golden_shapes()[0].name : options.model);
    return Soak(*backend, checkpoint->config.vocab_size, options).run();
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("A long run of a backend under its scheduler");
    app.add_option("steps", options.n_steps, "Steps to run")->capture_default_str();
    app.add_option("--deadline", options.deadline, "Stop after so many seconds");
    app.add_option("--device", options.device)->check(CLI::IsMember({"cuda", "cpu"}));
    app.add_option("--model", options.model, "Checkpoint folder; none: a small one is made");
    app.add_option("--probe-every", options.probe_every, "Steps")->capture_default_str();
    app.add_option("--seed", options.seed)->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        return soak(options) ? 0 : 1;
    } catch (const std::exception& error) {
        fmt::print("soak: failed: {}\n", error.what());
        return 1;
    }
}
