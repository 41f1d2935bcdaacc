// The members of "options". What is absent is the checkpoint's to say (generation_config.json), as
// for every other dialect here, and not Ollama's constants (temperature 0.8, top_k 40, top_p 0.9):
// these come from no model's authors.

#include <algorithm>
#include <map>

#include "daemon/api/ollama/reader.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr size_t kMaxStops = 64;  // Continue sends some thirty for code
constexpr size_t kMaxStopBytes = 1024;

using ReadOption = bool (*)(OllamaReader&, const std::string& at, const JsonValue&);

/// What no client means otherwise is read as the end of the range: below 0 greedy, above 1 off.
bool read_clamped(OllamaReader& r, const std::string& at, const JsonValue& v, float low, float high,
                  float& out) {
    constexpr double kAny = 1e30;
    float number = 0;
    if (!r.read.number(at, v, -kAny, kAny, number)) return false;
    out = std::clamp(number, low, high);
    return true;
}

/// -1 and whatever is not positive: as many as there is room for.
bool read_num_predict(OllamaReader& r, const std::string& at, const JsonValue& v) {
    int64_t n = 0;
    if (!r.read.integer(at, v, INT64_MIN, INT64_MAX, n)) return false;
    if (n > 0) r.generation.max_tokens = int(std::min<int64_t>(n, kMaxOllamaTokens));
    return true;
}

bool read_top_k(OllamaReader& r, const std::string& at, const JsonValue& v) {
    int64_t k = 0;
    if (!r.read.integer(at, v, INT64_MIN, INT64_MAX, k)) return false;
    r.generation.sampling.top_k = int(std::clamp<int64_t>(k, 0, kMaxOllamaTokens));
    return true;
}

bool read_seed(OllamaReader& r, const std::string& at, const JsonValue& v) {
    int64_t seed = 0;
    if (!r.read.integer(at, v, INT64_MIN, INT64_MAX, seed)) return false;
    r.generation.seed.reset();
    if (seed != -1) r.generation.seed = uint64_t(seed);
    return true;
}

/// Penalties are over the whole output here; of the window only that there is none is understood.
bool read_repeat_last_n(OllamaReader& r, const std::string& at, const JsonValue& v) {
    int64_t n = 0;
    if (!r.read.integer(at, v, INT64_MIN, INT64_MAX, n)) return false;
    r.penalizes = n != 0;
    return true;
}

bool read_typical_p(OllamaReader& r, const std::string& at, const JsonValue& v) {
    float p = 0;
    if (!read_clamped(r, at, v, 0, 1, p)) return false;
    return p == 1 || r.read.unsupported(at, "only 1, which turns it off");
}

bool read_stop(OllamaReader& r, const std::string& at, const JsonValue& v) {
    if (!v.is_array()) return r.read.expected(at, "a list of strings", v);
    auto& stops = r.generation.stops;
    stops.clear();
    for (const JsonValue element : v.elements()) {
        std::string stop;
        if (!r.read.string(fmt::format("{}[{}]", at, stops.size()), element, stop)) return false;
        if (stop.empty()) continue;
        if (stops.size() == kMaxStops || stop.size() > kMaxStopBytes)
            return r.read.fail(at, fmt::format("{}: expected at most {} strings of at most {} "
                                               "bytes each",
                                               at, kMaxStops, kMaxStopBytes));
        stops.push_back(std::move(stop));
    }
    return true;
}

/// How the context, the batches and the memory are laid out is this server's configuration.
bool ignore_integer(OllamaReader& r, const std::string& at, const JsonValue& v) {
    int64_t any = 0;
    return r.read.integer(at, v, INT64_MIN, INT64_MAX, any);
}

bool ignore_boolean(OllamaReader& r, const std::string& at, const JsonValue& v) {
    bool any = false;
    return r.read.boolean(at, v, any);
}

/// What Ollama itself had once and knows no more: clients still send it.
bool ignore(OllamaReader&, const std::string&, const JsonValue&) {
    return true;
}

#define QWEND_OPTION(name, expression)                                                 \
    {                                                                                  \
        name, [](OllamaReader& r, const std::string& at, const JsonValue& v) -> bool { \
            SamplingParams& sampling = r.generation.sampling;                          \
            return expression;                                                         \
        }                                                                              \
    }

/// By name. Source: Ollama's Options and Runner in api/types.go.
const std::map<std::string_view, ReadOption>& option_table() {
    static const std::map<std::string_view, ReadOption> table = {
        QWEND_OPTION("temperature", read_clamped(r, at, v, 0, 100, sampling.temperature)),
        QWEND_OPTION("top_p", read_clamped(r, at, v, 1e-9f, 1, sampling.top_p)),
        QWEND_OPTION("min_p", read_clamped(r, at, v, 0, 1, sampling.min_p)),
        QWEND_OPTION("repeat_penalty",
                     r.read.number(at, v, 1e-3, 100, sampling.repetition_penalty)),
        QWEND_OPTION("presence_penalty", r.read.number(at, v, -2, 2, sampling.presence_penalty)),
        QWEND_OPTION("frequency_penalty", r.read.number(at, v, -2, 2, sampling.frequency_penalty)),
        {"num_predict", read_num_predict},
        {"top_k", read_top_k},
        {"typical_p", read_typical_p},
        {"seed", read_seed},
        {"repeat_last_n", read_repeat_last_n},
        {"stop", read_stop},
        {"num_ctx", ignore_integer},
        {"num_keep", ignore_integer},
        {"num_batch", ignore_integer},
        {"num_gpu", ignore_integer},
        {"main_gpu", ignore_integer},
        {"num_thread", ignore_integer},
        {"draft_num_predict", ignore_integer},
        {"use_mmap", ignore_boolean},
        {"use_mlock", ignore},
        {"mirostat", ignore},
        {"mirostat_eta", ignore},
        {"mirostat_tau", ignore},
        {"tfs_z", ignore},
        {"penalize_newline", ignore},
        {"numa", ignore},
        {"low_vram", ignore},
        {"f16_kv", ignore},
        {"logits_all", ignore},
        {"vocab_only", ignore},
        {"embedding_only", ignore},
    };
    return table;
}

#undef QWEND_OPTION

}  // namespace

bool OllamaReader::options(const JsonValue& value) {
    if (!value.is_object()) return read.expected("options", "an object", value);
    for (const auto& [name, option] : value.members()) {
        if (option.is_null()) continue;
        const std::string at = "options." + excerpt(name);
        const auto found = option_table().find(name);
        if (found == option_table().end())
            note_unknown(at);
        else if (!found->second(*this, at, option))
            return false;
    }
    return true;
}

}  // namespace qwend
