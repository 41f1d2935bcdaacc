#include <fmt/core.h>
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
#include "gpu/device.h"
#endif

namespace {

using namespace qwend;

/// What `device` comes to on this machine; a message if it cannot be had.
std::string check_device(const Options& options) {
    if (options.device != "cuda") return {};
#ifdef QWEND_CUDA
    const GpuProbe probe = probe_gpus();
    const std::string found = probe.devices.empty() ? probe.error : probe.devices[0].name;
    return fmt::format(
        "device = cuda: the CUDA engine is not in this version yet (found: {}); use "
        "device = cpu or auto",
        found);
#else
    return "device = cuda: this qwend was built without CUDA; use device = cpu or auto";
#endif
}

BackendOptions backend_options(const Options& options, const ServedModel& model) {
    BackendOptions out;
    out.kv_cache_bytes = options.kv_cache_memory;
    out.max_step_tokens = options.max_step_tokens;
    out.max_sequences = options.max_sequences;
    out.max_context = model.max_model_len;
    out.n_valid_tokens = model.tokenizer.size();
    out.n_threads = options.threads;
    return out;
}

int check(const ServedModel& model, const Checkpoint& checkpoint) {
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

int run(const CommandLine& line) {
    if (std::string error = check_device(line.options); !error.empty()) {
        fmt::print(stderr, "qwend: {}\n", error);
        return kExitNoDevice;
    }
    const ServedModel model = load_served_model(line.options);
    auto checkpoint = std::make_shared<const Checkpoint>(open_checkpoint(line.options.model));
    if (line.command == Command::check) return check(model, *checkpoint);
    const BackendMaker make_backend = [&](std::function<void(float)> on_progress) {
        BackendOptions options = backend_options(line.options, model);
        options.on_progress = std::move(on_progress);
        return make_cpu_backend(checkpoint, options);
    };
    return line.command == Command::generate ? generate(line, model, make_backend)
                                             : serve(line.options, model, make_backend);
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
    CommandLine line;
    if (const int code = parse_command_line(argc, argv, line); code >= 0) return code;
    try {
        return run(line);
    } catch (const std::exception& error) {
        log_error("{}", error.what());
        return kExitConfig;
    }
}
