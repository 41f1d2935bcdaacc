#include "daemon/api/ollama/fields.h"
#include "daemon/api/form_fields.h"

#include <algorithm>
#include <array>

#include "daemon/api/ollama/error.h"
#include "daemon/api/ollama/template_text.h"
#include "daemon/api/ollama/time_text.h"

namespace qwend {

namespace {

constexpr int kMaxLogprobs = 20;

constexpr std::string_view kThinkSchema =
    R"({"anyOf":[{"type":"boolean"},{"type":"string","enum":["low","medium","high","max"]}]})";
constexpr std::string_view kMessagesSchema = R"({"type":"array","items":{"type":"object",
"required":["role"],"properties":{"role":{"type":"string",
"enum":["system","user","assistant","tool"]},"content":{"type":"string"},
"thinking":{"type":"string"},"tool_name":{"type":"string"},
"images":{"type":"array","maxItems":0},"tool_calls":{"type":"array","items":{"type":"object",
"required":["function"],"properties":{"function":{"type":"object","required":["name"],
"properties":{"name":{"type":"string"},"arguments":{}}}}}}}}})";

constexpr std::string_view kFormatSchema =
    R"({"anyOf":[{"type":"string","enum":["","json"]},{"type":"object"}]})";

using Kinds = FieldKinds<OllamaReader>;

bool read_format(OllamaReader& r, const JsonValue& v) {
    std::string name;
    if (v.is_object()) return read_schema_form(r.read, "format", v, r.generation.form);
    if (!v.get(name) || (!name.empty() && name != "json"))
        return r.read.expected("format", "\"json\" or a JSON schema", v);
    if (name == "json") r.generation.form = any_json_object("format");
    return true;
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

bool read_images(OllamaReader& r, const std::string& at, const JsonValue& v) {
    return r.images(at, v);
}

using Fields = FieldTable<OllamaReader>;

std::string options_schema() {
    RequestSchema schema;
    add_fields(schema, ollama_options(), kAnyScope);
    return schema.text();
}

Fields common_fields() {
    constexpr unsigned kBoth = kOllamaBoth;
    return {
        {"model", Kinds::ignored(kBoth, kStringSchema)},  // it is read before all others
        {"stream", Kinds::boolean(kBoth, QWEND_INTO(style.stream))},
        {"format", Kinds::with(kBoth, kFormatSchema, read_format)},
        {"options", Kinds::with(kBoth, options_schema(), &OllamaReader::options)},
        {"keep_alive", Kinds::with(kBoth, R"({"type":["number","string"]})", read_keep_alive)},
        {"think", Kinds::with(kBoth, kThinkSchema, read_think)},
        {"logprobs", Kinds::boolean(kBoth, QWEND_INTO(logprobs))},
        {"top_logprobs", Kinds::integer(kBoth, 0, kMaxLogprobs, QWEND_INTO(top_logprobs))},
        // A prompt that does not fit is refused, whatever they say, and none grows out of its
        // context.
        {"truncate", Kinds::boolean(kBoth, QWEND_INTO(ignored))},
        {"shift", Kinds::boolean(kBoth, QWEND_INTO(ignored))},
    };
}

Fields prompt_fields() {
    return {
        {"messages", Kinds::with(kOllamaChat, kMessagesSchema, &OllamaReader::messages)},
        {"tools", Kinds::with(kOllamaChat, array_schema(kObjectSchema), &OllamaReader::tools)},
        {"prompt", Kinds::string(kOllamaGenerate, QWEND_INTO(prompt.prompt))},
        {"suffix", Kinds::string(kOllamaGenerate, QWEND_INTO(prompt.suffix))},
        {"system", Kinds::string(kOllamaGenerate, QWEND_INTO(prompt.system))},
        {"template",
         Kinds::with(kOllamaGenerate, R"({"type":"string","const":""})", read_template)},
        {"context",
         Kinds::token_ids(kOllamaGenerate, size_t(kMaxOllamaTokens), QWEND_INTO(prompt.context))},
        {"raw", Kinds::boolean(kOllamaGenerate, QWEND_INTO(prompt.raw))},
        {"images", Kinds::with(kOllamaGenerate, R"({"type":"array","maxItems":0})", read_images)},
    };
}

}  // namespace

const FieldTable<OllamaReader>& ollama_fields() {
    static const Fields table = [] {
        Fields all = common_fields();
        all.merge(prompt_fields());
        return all;
    }();
    return table;
}

}  // namespace qwend
