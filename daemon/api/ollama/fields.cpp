#include "daemon/api/ollama/fields.h"

#include <algorithm>
#include <array>

#include "daemon/api/ollama/error.h"
#include "daemon/api/ollama/template_text.h"
#include "daemon/api/ollama/time_text.h"

namespace qwend {

namespace {

constexpr int kMaxLogprobs = 20;

#define QWEND_FIELD(name, scope, expression)                                           \
    {                                                                                  \
        name, {                                                                        \
            scope,                                                                     \
                []([[maybe_unused]] OllamaReader& r,                                   \
                   [[maybe_unused]] const JsonValue& v) -> bool { return expression; } \
        }                                                                              \
    }

/// Nothing can be held to a form yet.
bool read_format(OllamaReader& r, const JsonValue& v) {
    std::string name;
    const bool is_name = v.get(name);
    if (is_name && name.empty()) return true;
    if (!v.is_object() && name != "json")
        return r.read.expected("format", "\"json\" or a JSON schema", v);
    return r.read.unsupported("format");
}

/// A model that does not reason has no need to be told not to. Of one that does, its template can
/// say whether it is to; how much is not told apart.
bool read_think(OllamaReader& r, const JsonValue& v) {
    constexpr std::array<std::string_view, 4> kLevels = {"low", "medium", "high", "max"};
    bool on = true;
    std::string level;
    if (!v.get(on) &&
        !(v.get(level) && std::find(kLevels.begin(), kLevels.end(), level) != kLevels.end()))
        return r.read.expected("think", "true, false, \"low\", \"medium\", \"high\" or \"max\"", v);
    if (thinks(r.text))
        r.generation.chat_options.template_kwargs =
            on ? R"({"enable_thinking":true})" : R"({"enable_thinking":false})";
    else if (on)
        return r.fail(ollama_not_capable(r.style.model, "thinking"));
    return true;
}

/// How long a model is to stay. Ours always stays, so that only 0 means something, and that only
/// where nothing is to be generated.
bool read_keep_alive(OllamaReader& r, const JsonValue& v) {
    double seconds = 0;
    std::string text;
    if (v.get(seconds))
        r.keep_alive = seconds;
    else if (v.get(text))
        r.keep_alive = parse_duration(text);
    return r.keep_alive ||
           r.read.expected("keep_alive", "seconds, or a duration such as \"5m\"", v);
}

bool read_template(OllamaReader& r, const JsonValue& v) {
    std::string text;
    if (!r.read.string("template", v, text)) return false;
    return text.empty() ||
           r.read.unsupported("template", "the checkpoint's own is used; set raw to use none");
}

bool read_any_boolean(OllamaReader& r, const char* name, const JsonValue& v) {
    bool any = false;
    return r.read.boolean(name, v, any);
}

using Fields = std::map<std::string_view, OllamaField>;

Fields common_fields() {
    return {
        QWEND_FIELD("model", kOllamaBoth, true),  // read before all others
        QWEND_FIELD("stream", kOllamaBoth, r.read.boolean("stream", v, r.style.stream)),
        QWEND_FIELD("format", kOllamaBoth, read_format(r, v)),
        QWEND_FIELD("options", kOllamaBoth, r.options(v)),
        QWEND_FIELD("keep_alive", kOllamaBoth, read_keep_alive(r, v)),
        QWEND_FIELD("think", kOllamaBoth, read_think(r, v)),
        QWEND_FIELD("logprobs", kOllamaBoth, r.read.boolean("logprobs", v, r.logprobs)),
        QWEND_FIELD("top_logprobs", kOllamaBoth,
                    r.read.integer("top_logprobs", v, 0, kMaxLogprobs, r.top_logprobs)),
        // A prompt that does not fit is refused, whatever they say, and none grows out of its
        // context.
        QWEND_FIELD("truncate", kOllamaBoth, read_any_boolean(r, "truncate", v)),
        QWEND_FIELD("shift", kOllamaBoth, read_any_boolean(r, "shift", v)),
    };
}

Fields prompt_fields() {
    return {
        QWEND_FIELD("messages", kOllamaChat, r.messages(v)),
        QWEND_FIELD("tools", kOllamaChat, r.tools(v)),
        QWEND_FIELD("prompt", kOllamaGenerate, r.read.string("prompt", v, r.prompt.prompt)),
        QWEND_FIELD("suffix", kOllamaGenerate, r.read.string("suffix", v, r.prompt.suffix)),
        QWEND_FIELD("system", kOllamaGenerate, r.read.string("system", v, r.prompt.system)),
        QWEND_FIELD("template", kOllamaGenerate, read_template(r, v)),
        QWEND_FIELD("context", kOllamaGenerate,
                    r.read.token_ids("context", v, size_t(kMaxOllamaTokens), r.prompt.context)),
        QWEND_FIELD("raw", kOllamaGenerate, r.read.boolean("raw", v, r.prompt.raw)),
        QWEND_FIELD("images", kOllamaGenerate, r.images("images", v)),
    };
}

#undef QWEND_FIELD

}  // namespace

const std::map<std::string_view, OllamaField>& ollama_fields() {
    static const Fields table = [] {
        Fields all = common_fields();
        all.merge(prompt_fields());
        return all;
    }();
    return table;
}

}  // namespace qwend
