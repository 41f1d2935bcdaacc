// The members of "options". What is absent is the checkpoint's to say (generation_config.json), as
// for every other dialect here, and not Ollama's constants (temperature 0.8, top_k 40, top_p 0.9):
// these come from no model's authors.

#include <algorithm>

#include "daemon/api/ollama/fields.h"
#include "daemon/api/ollama/reader.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr size_t kMaxStops = 64;  // Continue sends some thirty for code
constexpr size_t kMaxStopBytes = 1024;

constexpr std::string_view kStopSchema =
    R"({"type":"array","maxItems":64,"items":{"type":"string","maxLength":1024}})";

using Kinds = FieldKinds<OllamaReader>;

constexpr double kAnyNumber = 1e30;

/// What no client means otherwise is read as the end of the range: below 0 greedy, above 1 off.
bool read_clamped(OllamaReader& r, const std::string& at, const JsonValue& v, float low, float high,
                  float& out) {
    float number = 0;
    if (!r.read.number(at, v, -kAnyNumber, kAnyNumber, number)) return false;
    out = std::clamp(number, low, high);
    return true;
}

Field<OllamaReader> clamped(float low, float high, auto into) {
    return {kAnyScope, number_schema(-kAnyNumber, kAnyNumber),
            [low, high, into](OllamaReader& r, const std::string& at, const JsonValue& v) {
                return read_clamped(r, at, v, low, high, into(r));
            }};
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
Field<OllamaReader> ignored_integer() {
    return Kinds::integer(kAnyScope, INT64_MIN, INT64_MAX, QWEND_INTO(ignored_integer));
}

using Fields = FieldTable<OllamaReader>;

Fields sampling_options() {
    constexpr unsigned kAny = kAnyScope;
    return {
        {"temperature", clamped(0, 100, QWEND_INTO(generation.sampling.temperature))},
        {"top_p", clamped(1e-9f, 1, QWEND_INTO(generation.sampling.top_p))},
        {"min_p", clamped(0, 1, QWEND_INTO(generation.sampling.min_p))},
        {"repeat_penalty",
         Kinds::number(kAny, 1e-3, 100, QWEND_INTO(generation.sampling.repetition_penalty))},
        {"presence_penalty",
         Kinds::number(kAny, -2, 2, QWEND_INTO(generation.sampling.presence_penalty))},
        {"frequency_penalty",
         Kinds::number(kAny, -2, 2, QWEND_INTO(generation.sampling.frequency_penalty))},
        {"num_predict", Kinds::with(kAny, kIntegerSchema, read_num_predict)},
        {"top_k", Kinds::with(kAny, kIntegerSchema, read_top_k)},
        {"typical_p", Kinds::with(kAny, R"({"type":"number","minimum":1})", read_typical_p)},
        {"seed", Kinds::with(kAny, kIntegerSchema, read_seed)},
        {"repeat_last_n", Kinds::with(kAny, kIntegerSchema, read_repeat_last_n)},
        {"stop", Kinds::with(kAny, kStopSchema, read_stop)},
    };
}

Fields other_options() {
    Fields fields = {{"use_mmap", Kinds::boolean(kAnyScope, QWEND_INTO(ignored))}};
    for (const char* name : {"num_ctx", "num_keep", "num_batch", "num_gpu", "main_gpu",
                             "num_thread", "draft_num_predict"})
        fields.emplace(name, ignored_integer());
    // What Ollama itself had once and knows no more: clients still send it.
    for (const char* name :
         {"use_mlock", "mirostat", "mirostat_eta", "mirostat_tau", "tfs_z", "penalize_newline",
          "numa", "low_vram", "f16_kv", "logits_all", "vocab_only", "embedding_only"})
        fields.emplace(name, Kinds::ignored(kAnyScope));
    return fields;
}

}  // namespace

const FieldTable<OllamaReader>& ollama_options() {
    static const Fields table = [] {
        Fields all = sampling_options();
        all.merge(other_options());
        return all;
    }();
    return table;
}

bool OllamaReader::options(const JsonValue& value) {
    if (!value.is_object()) return read.expected("options", "an object", value);
    for (const auto& [name, option] : value.members()) {
        if (option.is_null()) continue;
        const std::string at = "options." + excerpt(name);
        const auto* field = find_field(ollama_options(), name, kAnyScope);
        if (!field)
            note_unknown(at);
        else if (!field->read(*this, at, option))
            return false;
    }
    return true;
}

}  // namespace qwend
