#include <fmt/core.h>
#include <pthread.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "daemon/commands.h"
#include "daemon/log.h"
#include "daemon/served_model.h"
#include "model/cpu_backend.h"
#include "model/error.h"
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
[[maybe_unused]] constexpr int kCudaSequences = 256, kCudaStepTokens = 4096;

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

BackendOptions backend_options(const Options& options, const ServedModel& model, bool cuda) {
    auto choose = [](int wanted, int by_default) { return wanted > 0 ? wanted : by_default; };
    BackendOptions out;
    out.kv_cache_bytes = options.kv_cache_memory;
    out.max_step_tokens = choose(options.max_step_tokens, cuda ? kCudaStepTokens : kCpuStepTokens);
    out.max_sequences = choose(options.max_sequences, cuda ? kCudaSequences : kCpuSequences);
    out.max_context = model.max_model_len;
    out.n_valid_tokens = model.tokenizer.size();
    out.n_threads = options.threads;
    out.deterministic = options.deterministic;
    return out;
}

int check(const ServedModel& model, const Checkpoint& checkpoint, const DeviceChoice& device) {
    fmt::print("device     {}{}\n", device.name,
               device.why_not_cuda.empty() ? "" : " (no GPU: " + device.why_not_cuda + ")");
    fmt::print("model      {} ({} layers, hidden {}, {} heads of {}, {} KV heads)\n",
               model.names[0], model.config.n_layers, model.config.hidden_size,
               model.config.n_heads, model.config.head_dim, model.config.n_kv_heads);
    fmt::print("weights    {} MiB in {} tensors\n", checkpoint.files.total_bytes() >> 20,
               checkpoint.files.tensors().size());
    fmt::print("tokenizer  {} ids, {} logits\n", model.tokenizer.size(), model.config.vocab_size);
    fmt::print("context    {} tokens\n", model.max_model_len);
    fmt::print("template   {}\n", model.chat_template.kind == ChatTemplate::none    ? "none"
                                  : model.chat_template.kind == ChatTemplate::qwen2 ? "Qwen2"
                                                                                    : "Qwen2.5");
    fmt::print("ok\n");
    return 0;
}

/// On the device that was chosen; with `device = auto` on the CPU if that one is too small. Only a
/// LoadError allows that: it leaves the device healthy, while after a BackendFault nothing of this
/// process may rely on it, and a restart may well bring it back.
std::unique_ptr<Backend> make_backend(const Options& options, const ServedModel& model,
                                      const std::shared_ptr<const Checkpoint>& checkpoint,
                                      [[maybe_unused]] const DeviceChoice& device,
                                      const std::function<void(float)>& on_progress) {
#ifdef QWEND_CUDA
    try {
        BackendOptions out = backend_options(options, model, true);
        out.on_progress = on_progress;
        if (device.cuda_index >= 0) return make_cuda_backend(*checkpoint, device.cuda_index, out);
    } catch (const LoadError& error) {
        if (options.device == "cuda") throw;
        log_warning("the GPU is not used: {}", error.what());
    }
#endif
    BackendOptions out = backend_options(options, model, false);
    out.on_progress = on_progress;
    return make_cpu_backend(*checkpoint, out);
}

int run(const CommandLine& line) {
    const ServedModel model = load_served_model(line.options);
    auto checkpoint = std::make_shared<const Checkpoint>(open_checkpoint(line.options.model));
    for (const auto* warnings : {&model.defaults.warnings, &checkpoint->warnings})
        for (const std::string& warning : *warnings) log_warning("{}", warning);
    const DeviceChoice device = choose_device(line.options, model.config);
    if (line.options.device == "cuda" && device.cuda_index < 0) {
        fmt::print(stderr, "qwend: device = cuda: {}; use device = cpu or auto\n",
                   device.why_not_cuda);
        return kExitNoDevice;
    }
    if (line.command == Command::check) return check(model, *checkpoint, device);
    if (!device.why_not_cuda.empty()) log_info("no GPU is used: {}", device.why_not_cuda);
    const BackendMaker maker = [&](std::function<void(float)> on_progress) {
        const auto make = [&] {
            auto backend = make_backend(line.options, model, checkpoint, device, on_progress);
            checkpoint.reset();  // its files are of no more use
            return backend;
        };
#ifdef QWEND_FAULTS
        return make_faulty_backend(make);
#else
        return make();
#endif
    };
    return line.command == Command::generate ? generate(line, model, maker)
                                             : serve(line.options, model, maker);
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
    } catch (const std::exception& error) {
        log_error("{}", error.what());
        return kExitConfig;
    }
}
