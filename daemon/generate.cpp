#include <fmt/core.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>

#include "daemon/api/model.h"
#include "daemon/commands.h"
#include "daemon/log.h"
#include "model/error.h"
#include "net/clock.h"

namespace qwend {

namespace {

/// What the loop is to the daemon: something the engine can wake.
class Waker {
  public:
    void wake() {
        std::lock_guard lock(mutex_);
        awake_ = true;
        changed_.notify_one();
    }
    /// Not for ever: nobody wakes for a step that stalls.
    void wait() {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, std::chrono::seconds(1), [&] { return awake_; });
        awake_ = false;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool awake_ = false;
};

/// What was said on the command line, else all of standard input but a newline at its end.
std::string read_prompt(const GenerateOptions& options) {
    if (options.has_prompt && options.prompt != "-") return options.prompt;
    constexpr size_t kMostBytes = size_t(64) << 20;  // more than any context holds
    std::string text;
    char buffer[65536];
    size_t n;
    while ((n = std::fread(buffer, 1, sizeof buffer, stdin)) > 0 && text.size() < kMostBytes)
        text.append(buffer, n);
    if (std::ferror(stdin)) throw LoadError("cannot read the prompt from standard input");
    if (text.size() >= kMostBytes) throw LoadError("the prompt has more than 64 MiB");
    if (text.ends_with('\n')) text.pop_back();
    return text;
}

std::vector<int32_t> encode_prompt(const GenerateOptions& options, const std::string& prompt,
                                   const ModelText& model) {
    if (!options.raw && !model.chat_template.is_usable()) {
        fmt::print(stderr,
                   "qwend: the model has no chat template{}: its text goes on from the prompt as "
                   "it is, as with --raw\n",
                   model.chat_template.error.empty()
                       ? ""
                       : " that can be used (" + model.chat_template.error + ")");
        if (!options.system.empty())
            fmt::print(stderr, "qwend: --system is ignored: there is no template to put it in\n");
    }
    if (options.raw || !model.chat_template.is_usable()) {
        std::vector<int32_t> ids = model.tokenizer.encode_with_added_tokens(prompt);
        model.tokenizer.add_special_tokens(ids);
        return ids;
    }
    std::vector<ChatMessage> messages;
    if (!options.system.empty()) messages.push_back({"system", options.system, {}});
    messages.push_back({"user", prompt, {}});
    const RenderResult rendered = render_chat(model.chat_template, messages, {});
    if (!rendered.error.empty()) throw LoadError(rendered.error);
    return model.tokenizer.encode(rendered.prompt.text, rendered.prompt.control_spans);
}

SamplingParams sampling_params(const GenerateOptions& options, const ModelText& model) {
    SamplingParams params;
    const GenerationDefaults& d = model.defaults;
    params.temperature = options.temperature >= 0 ? float(options.temperature)
                                                  : d.temperature.value_or(params.temperature);
    params.top_p = d.top_p.value_or(params.top_p);
    params.top_k = d.top_k.value_or(params.top_k);
    params.min_p = d.min_p.value_or(params.min_p);
    params.repetition_penalty = d.repetition_penalty.value_or(params.repetition_penalty);
    params.seed = uint64_t(options.seed);
    if (options.seed < 0) (void)!getrandom(&params.seed, sizeof params.seed, 0);
    const bool is_chat = !options.raw && model.chat_template.is_usable();
    params.stop_token_ids = is_chat ? model.chat_eos_token_ids : model.eos_token_ids;
    return params;
}

/// Ends the process if the engine failed: see Daemon::leave() for why without destructors.
void leave_if_failed(const Engine& engine) {
    const EngineState state = engine.state();
    if (engine.refused_to_load()) throw LoadError(engine.failure());
    if (state != EngineState::failed && state != EngineState::stalled) return;
    log_error("the engine {}: {}", state == EngineState::stalled ? "stalled" : "failed",
              engine.failure());
    _exit(kExitFault);
}

/// Throws LoadError where the context has no room for an answer.
GenerationRequest make_request(const GenerateOptions& options, const std::string& prompt,
                               const ModelText& model) {
    GenerationRequest request;
    request.id = 1;
    request.prompt = encode_prompt(options, prompt, model);
    request.sampling = sampling_params(options, model);
    const int n_prompt = int(request.prompt.size()), room = model.max_model_len - n_prompt;
    if (room < 1)
        throw LoadError(fmt::format("the prompt has {} tokens, the context only {}", n_prompt,
                                    model.max_model_len));
    request.max_tokens = options.max_tokens > 0 ? std::min(options.max_tokens, room) : room;
    return request;
}

}  // namespace

int generate(const CommandLine& line, std::shared_ptr<const ModelText> text,
             const BackendMaker& make_backend) {
    const std::string prompt = read_prompt(line.generate);
    if (prompt.empty()) {
        complain("expected a prompt, found nothing");
        return kExitUsage;
    }
    const ModelText& model = *text;
    if (!model.config.generates())
        throw LoadError(fmt::format("{} generates no text, it makes vectors of texts: qwend serve",
                                    model.names[0]));
    Waker waker;
    EngineOptions engine_options;
    engine_options.step_timeout_s = line.options.step_timeout;
    Model served(std::move(text), engine_options, [&] { waker.wake(); });
    Engine& engine = served.engine;
    engine.start([&] { return make_backend({}); });
    while (engine.state() == EngineState::loading) waker.wait();
    leave_if_failed(engine);

    GenerationRequest request = make_request(line.generate, prompt, model);
    const size_t n_prompt = request.prompt.size();
    StreamDecoder decoder(model.tokenizer, true);
    const double began = steady_seconds();
    double first = 0, last = 0;
    int n_tokens = 0;
    std::vector<GenerationRequest> requests;
    requests.push_back(std::move(request));
    engine.submit(std::move(requests));
    for (FinishReason finish = FinishReason::none; finish == FinishReason::none;) {
        waker.wait();
        for (const TokenEvent& event : engine.take_events()) {
            finish = event.finish;
            if (finish == FinishReason::error) {
                if (!event.error.empty()) throw BackendFault(std::string(event.error));
                break;
            }
            if (event.sampled.token < 0) continue;
            last = steady_seconds();
            if (n_tokens++ == 0) first = last;
            const std::string text = decoder.push(event.sampled.token);
            std::fwrite(text.data(), 1, text.size(), stdout);
            std::fflush(stdout);
        }
        leave_if_failed(engine);
        if (finish == FinishReason::error)
            throw LoadError(
                "the prompt and its answer do not fit the KV cache; raise "
                "kv-cache-memory or lower --max-tokens");
    }
    fmt::print("{}\n", decoder.finish_cut());
    fmt::print(stderr, "{} prompt tokens, first token after {:.1f} ms; {} tokens, {:.1f} tok/s\n",
               n_prompt, (first - began) * 1e3, n_tokens,
               n_tokens > 1 ? (n_tokens - 1) / (last - first) : 0.0);
    return 0;
}

}  // namespace qwend
