#include <fmt/core.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <span>
#include <utility>

#include "daemon/api/model_text.h"
#include "daemon/commands.h"
#include "daemon/file_access.h"
#include "daemon/log.h"
#include "daemon/quality.h"
#include "daemon/text_states.h"
#include "model/cpu/cpu_backend.h"
#include "model/cpu/head.h"
#include "model/error.h"
#include "model/linear_kind.h"
#include "model/quantized/at_load.h"
#include "model/weights.h"
#ifdef QWEND_CUDA
#include "gpu/cuda_backend.h"
#include "gpu/device.h"
#endif
#ifdef QWEND_FAULTS  // only in the tests' own build, qwend-faulty
#include "tests/e2e/faulty_backend.h"
#endif

namespace {

using namespace qwend;

constexpr int kCpuSequences = 32, kCpuStepTokens = 512;
[[maybe_unused]] constexpr int kCudaSequences = 256, kCudaStepTokens = 8192;
constexpr int kCpuBusyStepTokens = 64, kCudaBusyStepTokens = 2048;
constexpr double kCudaTokenLatency = 10;  // ms; 5,000 tokens of 0.5B's on an H200
constexpr int kSpareTokens = 64;  // blocks are handed out whole, and one more than is written to

/// What `device` comes to on this machine, for this model.
struct DeviceChoice {
    int cuda_index = -1;  // -1: the CPU
    std::string name = "CPU";
    std::string why_not_cuda;  // where a GPU was looked for and none can be used
};

DeviceChoice choose_device(const Options& options, [[maybe_unused]] const ModelConfig& config) {
    DeviceChoice choice;
    if (options.device == "cpu") return choice;
    choice.why_not_cuda = "this qwend was built without CUDA";
#ifdef QWEND_CUDA
    const GpuProbe probe = probe_gpus();
    choice.why_not_cuda = probe.error.empty() ? "the driver offers no device" : probe.error;
    for (const GpuInfo& gpu : probe.devices) {
        const std::string fault = gpu.fault.empty() ? check_cuda_model(config) : gpu.fault;
        if (fault.empty()) return {gpu.index, gpu.name, {}};
        choice.why_not_cuda = gpu.name + ": " + fault;
    }
#endif
    return choice;
}

size_t bytes_of_context(const ModelConfig& config, int n_tokens) {
    return size_t(n_tokens) * size_t(config.n_layers) * 2 * size_t(config.n_kv_heads) *
           size_t(config.head_dim) * sizeof(uint16_t);
}

/// A text that has to be computed in one step may have so many tokens, unless somebody asks for
/// more.
constexpr int kWholeStepTokens = 8192;

/// A step has a token of every running sequence: what is left to choose makes room for what is not.
void choose_step(const Options& options, const ModelText& model, bool cuda, BackendOptions& out) {
    int tokens = cuda ? kCudaStepTokens : kCpuStepTokens;
    if (!model.config.is_causal)
        tokens = std::max(tokens, std::min(model.max_model_len, kWholeStepTokens));
    const int sequences = cuda ? kCudaSequences : kCpuSequences;
    out.max_step_tokens = options.max_step_tokens > 0 ? options.max_step_tokens
                                                      : std::max(tokens, options.max_sequences);
    double latency = options.inter_token_latency;  // ms
    if (latency == 0 && cuda && options.max_step_tokens == 0) latency = kCudaTokenLatency;
    out.busy_step_seconds = latency / 1000;
    if (latency > 0)
        out.busy_step_tokens =
            std::min(cuda ? kCudaBusyStepTokens : kCpuBusyStepTokens, out.max_step_tokens);
    out.max_sequences = options.max_sequences > 0 ? options.max_sequences
                                                  : std::min(sequences, out.max_step_tokens);
}

/// `texts`: all that it is for; null: whatever clients ask.
BackendOptions backend_options(const CommandLine& line, const ModelText& model, bool cuda,
                               const TokenTexts* texts = nullptr) {
    const Options& options = line.options;
    BackendOptions out;
    choose_step(options, model, cuda, out);
    out.kv_cache_bytes = options.kv_cache_memory;
    out.memory_share = options.gpu_memory_utilization;
    out.max_context = model.max_model_len;
    out.n_valid_tokens = model.tokenizer.size();
    out.n_threads = options.threads;
    out.deterministic = options.deterministic;
    if (line.command == Command::generate) {
        // One prompt, perhaps on a GPU that a daemon has most of: room for its context, no more.
        out.max_sequences = 1;
        if (cuda && out.kv_cache_bytes == 0)
            out.kv_cache_bytes = bytes_of_context(model.config, out.max_context + kSpareTokens);
    }
    if (texts) {
        out.max_sequences = int(texts->size());
        out.max_step_tokens = step_tokens(*texts), out.busy_step_tokens = 0;
        out.kv_cache_bytes = bytes_of_context(model.config, cached_tokens(*texts, out.block_size));
    }
    return out;
}

/// On the device that was chosen; with `device = auto` on the CPU if that one is too small. Only a
/// LoadError allows that: it leaves the device healthy, while after a BackendFault nothing of this
/// process may rely on it, and a restart may well bring it back.
std::unique_ptr<Backend> make_backend(const CommandLine& line, const ModelText& model,
                                      const std::shared_ptr<const Checkpoint>& checkpoint,
                                      [[maybe_unused]] const DeviceChoice& device,
                                      const std::function<void(float)>& on_progress,
                                      const TokenTexts* texts = nullptr) {
#ifdef QWEND_CUDA
    try {
        BackendOptions out = backend_options(line, model, true, texts);
        out.on_progress = on_progress;
        if (device.cuda_index >= 0) return make_cuda_backend(*checkpoint, device.cuda_index, out);
    } catch (const LoadError& error) {
        if (line.options.device == "cuda") throw;
        log_warning("the GPU is not used: {}", error.what());
    }
#endif
    BackendOptions out = backend_options(line, model, false, texts);
    out.on_progress = on_progress;
    return make_cpu_backend(*checkpoint, out);
}

/// What make_backend() would come to. Where that is the CPU although there is a GPU, `device` says
/// why.
BackendInfo plan_backend(const CommandLine& line, const ModelText& model,
                         const Checkpoint& checkpoint, [[maybe_unused]] DeviceChoice& device) {
#ifdef QWEND_CUDA
    try {
        if (device.cuda_index >= 0)
            return plan_cuda_backend(checkpoint, device.cuda_index,
                                     backend_options(line, model, true));
    } catch (const LoadError& error) {
        if (line.options.device == "cuda") throw;
        device.why_not_cuda = error.what();
    }
#endif
    return plan_cpu_backend(checkpoint, backend_options(line, model, false));
}

/// What the vectors of a model go through, if there is anything.
VectorHead make_head(const Checkpoint& checkpoint, HeadOf of) {
    const auto head = std::make_shared<Head>(checkpoint, of);
    if (head->empty()) return {};
    return [head](std::span<const float> vectors) { return head->apply(vectors); };
}

/// Makes one backend, and lets go of the checkpoint then.
BackendMaker backend_maker(const CommandLine& line, const ModelText& model,
                           std::shared_ptr<const Checkpoint> checkpoint, DeviceChoice device) {
    return [=, &line, &model](std::function<void(float)> on_progress) mutable {
        const auto make = [&] {
            VectorHead head = make_head(*checkpoint, HeadOf::vectors);
            auto backend = make_backend(line, model, checkpoint, device, on_progress);
            checkpoint.reset();  // its files are of no more use
            return EngineParts(std::move(backend), std::move(head));
        };
#ifdef QWEND_FAULTS
        EngineParts parts = make();
        return EngineParts(make_faulty_backend([&] { return std::move(parts.backend); }),
                           std::move(parts.head));
#else
        return make();
#endif
    };
}

QuantizeAtLoad at_load(const Options& options) {
    QuantizeAtLoad made;
    if (options.quantization == "fp8") made.layers = LinearKind::fp8;
    if (options.quantization == "int8") made.layers = LinearKind::int8;
    if (options.quantization == "int4") made.layers = LinearKind::int4;
    made.head = options.quantize_head == "true" ||
                (options.quantize_head == "auto" && made.layers != LinearKind::dense);
    return made;
}

/// What `qwend check --quality` runs.
ModelLoader quality_loader(const CommandLine& line, const ModelText& text) {
    ModelLoader made;
    made.backend = [&](const std::shared_ptr<const Checkpoint>& checkpoint, const TokenTexts& texts,
                       const std::function<void(float)>& on_progress) {
        const DeviceChoice device = choose_device(line.options, checkpoint->config);
        return make_backend(line, text, checkpoint, device, on_progress, &texts);
    };
    made.head = [](const Checkpoint& checkpoint) { return make_head(checkpoint, HeadOf::text); };
    return made;
}

int run(const CommandLine& line) {
    LogLevel level;
    if (log_parse_level(line.options.log_level, level)) log_set_level(level);
    ServicePlan plan;
    if (line.command != Command::generate) plan = plan_service(line.options);
    check_model_folder(line.options.model);
    const auto text = std::make_shared<ModelText>(load_model_text(line.options));
    const ModelText& model = *text;
    auto checkpoint = std::make_shared<const Checkpoint>(
        open_checkpoint(line.options.model, at_load(line.options)));
    text->quantization = describe_quantization(*checkpoint);
    for (const auto* warnings : {&model.warnings, &model.defaults.warnings, &checkpoint->warnings})
        for (const std::string& warning : *warnings) log_warning("{}", warning);
    DeviceChoice device = choose_device(line.options, model.config);
    if (line.options.device == "cuda" && device.cuda_index < 0) {
        complain(fmt::format("device = cuda: {}; use device = cpu or auto", device.why_not_cuda));
        return kExitNoDevice;
    }
    if (line.command == Command::check) {
        const BackendInfo info = plan_backend(line, model, *checkpoint, device);
        check(line, plan, model, *checkpoint, info, device.why_not_cuda);
        if (line.check.quality) check_quality(line, model, checkpoint, quality_loader(line, model));
        fmt::print("ok\n");
        return 0;
    }
    if (!device.why_not_cuda.empty()) log_info("no GPU is used: {}", device.why_not_cuda);
    const BackendMaker maker = backend_maker(line, model, std::move(checkpoint), device);
    return line.command == Command::generate ? generate(line, text, maker)
                                             : serve(line.options, std::move(plan), text, maker);
}

/// OpenMP's threads wait for each other by spinning, by default for milliseconds: with the event
/// loop or anybody else on the same cores they then keep those from running who they wait for.
/// libgomp reads its setting before main(), so it takes a second start, which costs a millisecond.
void restart_with_short_spin(char** argv) {
    if (getenv("GOMP_SPINCOUNT")) return;
    setenv("GOMP_SPINCOUNT", "1000", 1);
    execv("/proc/self/exe", argv);
}

}  // namespace

int main(int argc, char** argv) {
    restart_with_short_spin(argv);
    pthread_setname_np(pthread_self(), "qwend");  // the second start is called "exe" otherwise
    CommandLine line;
    if (const int code = parse_command_line(argc, argv, line); code >= 0) return code;
    try {
        return run(line);
    } catch (const LoadError& error) {
        complain(error.what());
        return kExitConfig;
    } catch (const std::filesystem::filesystem_error& error) {
        complain(error.what());
        return kExitConfig;
    } catch (const std::exception& error) {
        // No memory, no threads, no descriptors: the next start may find some.
        complain(fmt::format("cannot go on: {}", error.what()));
        return kExitFault;
    }
}
