#include "daemon/api/responses/fields.h"
#include "daemon/api/form_fields.h"

#include <algorithm>

#include "daemon/api/openai/fields.h"

namespace qwend {

namespace {

using Reader = ResponseReader;
using Value = JsonValue;
using Kinds = FieldKinds<Reader>;

constexpr std::string_view kInputSchema = R"({"anyOf":[{"type":"string"},
{"type":"array","items":{"type":"object"}}]})";
constexpr std::string_view kToolsSchema = R"({"type":"array","items":{"type":"object",
"required":["type"],"properties":{"type":{"type":"string"},"name":{"type":"string"},
"description":{},"parameters":{},"strict":{"type":["boolean","null"]}}}})";
constexpr std::string_view kToolChoiceSchema = R"({"anyOf":[
{"type":"string","enum":["auto","none","required"]},
{"type":"object","required":["type","name"],"properties":{
"type":{"type":"string","enum":["function","custom"]},"name":{"type":"string","minLength":1}}},
{"type":"object","required":["type","mode","tools"],"properties":{
"type":{"type":"string","const":"allowed_tools"},
"mode":{"type":"string","enum":["auto","required"]},
"tools":{"type":"array","items":{"type":"object","required":["name"]}}}}]})";
constexpr std::string_view kTextSchema = R"({"type":"object","properties":{"format":{"anyOf":[
{"type":"null"},{"type":"object","required":["type"],"properties":{
"type":{"enum":["text","json_object","json_schema"]},"schema":{"type":["object","null"]}}}]}}})";
constexpr std::string_view kReasoningSchema =
    R"({"type":"object","properties":{"effort":{"type":["string","null"]}}})";

bool read_input(Reader& r, const Value& v) {
    r.input = v;
    return true;
}

/// A tool by its name, and perhaps its namespace, as the model calls it.
bool read_reference(Reader& r, const std::string& at, const Value& tool, std::string& called) {
    const auto name = tool.member("name");
    std::string name_space;
    if (const auto of = tool.member("namespace"); of && !of->is_null())
        if (!r.read.string(at + ".namespace", *of, name_space)) return false;
    if (!name || !name->get(called) || called.empty())
        return r.read.expected(at, "an object with a name", tool);
    called = called_name(name_space, called);
    return true;
}

/// {"type":"allowed_tools","mode":"auto"|"required","tools":[{"type":"function","name":…}]}: the
/// tools of the request that the model may choose among.
bool read_allowed_tools(Reader& r, const Value& choice) {
    std::string text;
    const auto mode = choice.member("mode"), tools = choice.member("tools");
    if (!tools || !tools->is_array())
        return r.read.expected("tool_choice", "an object with tools", choice);
    if (!mode || !mode->get(text) || text == "none" || !r.base.tool_choice.set_mode(text))
        return r.read.unsupported("tool_choice.mode", "only auto and required");
    auto& names = r.base.tool_choice.allowed.emplace();
    for (const Value tool : tools->elements()) {
        const std::string at = fmt::format("tool_choice.tools[{}]", names.size());
        if (names.size() == kMaxTools)
            return r.read.fail(at, fmt::format("{}: expected at most {} tools", at, kMaxTools));
        if (!read_reference(r, at, tool, names.emplace_back())) return false;
    }
    return true;
}

bool read_tool_choice(Reader& r, const Value& v) {
    std::string choice, type;
    const auto named = v.member("type");
    if (named && named->get(type) && type == "allowed_tools") return read_allowed_tools(r, v);
    if (type == "function" || type == "custom") {
        r.base.tool_choice.required = true;
        return read_reference(r, "tool_choice", v, r.base.tool_choice.name);
    }
    return (v.get(choice) && r.base.tool_choice.set_mode(choice)) ||
           r.read.unsupported("tool_choice", "only auto, none, required, a tool and allowed_tools");
}

/// A bound: clients set one that suits the largest of contexts.
bool read_max_output_tokens(Reader& r, const Value& v) {
    int n = 0;
    if (!r.read.integer("max_output_tokens", v, 1, kMaxTokensLimit, n)) return false;
    r.generation.max_tokens = n;
    r.generation.clips_max_tokens = true;
    return true;
}

/// {"format":{"type":"text"},"verbosity":…}; how much a model should say, these are not told.
bool read_text(Reader& r, const Value& v) {
    if (!v.is_object()) return r.read.expected("text", "an object", v);
    const auto format = v.member("format");
    if (!format || format->is_null()) return true;
    return read_response_format(r.read, "text.format", *format, r.generation.form);
}

/// What else a response should have in it: of what there is to be had here, logprobs.
bool read_include(Reader& r, const Value& v) {
    if (!v.is_array()) return r.read.expected("include", "an array", v);
    size_t i = 0;
    for (const Value element : v.elements()) {
        std::string what;
        if (!r.read.string(fmt::format("include[{}]", i++), element, what)) return false;
        r.wants_logprobs |= what == "message.output_text.logprobs";
    }
    return true;
}

/// Whoever waits for it would poll for ever: here an answer goes to who asked.
bool read_background(Reader& r, const Value& v) {
    bool wanted = false;
    if (!r.read.boolean("background", v, wanted)) return false;
    return !wanted || r.read.unsupported("background", "use stream");
}

/// A cut that happens by itself is none: what does not fit is refused, whatever this says.
bool read_truncation(Reader& r, const Value& v) {
    std::string how;
    return (v.get(how) && (how == "auto" || how == "disabled")) ||
           r.read.expected("truncation", R"("auto" or "disabled")", v);
}

bool read_object(Reader& r, const std::string& at, const Value& v) {
    return v.is_object() || r.read.expected(at, "an object", v);
}

/// What is told of how a model reasons, besides how much it should.
bool read_reasoning(Reader& r, const Value& v) {
    if (!v.is_object()) return r.read.expected("reasoning", "an object", v);
    const auto effort = v.member("effort");
    return !effort || effort->is_null() ||
           r.read.string("reasoning.effort", *effort, r.generation.chat_options.reasoning_effort);
}

bool read_string(Reader& r, const std::string& at, const Value& v) {
    return v.is_string() || r.read.expected(at, "a string", v);
}

Field<Reader> any_string() {
    return Kinds::with(kResponses, kStringSchema, read_string);
}

using Fields = FieldTable<Reader>;

Fields obeyed_fields() {
    return {
        {"input", Kinds::with(kResponses, kInputSchema, read_input)},
        {"instructions", Kinds::string(kResponses, QWEND_INTO(instructions))},
        {"previous_response_id", Kinds::string(kResponses, QWEND_INTO(style.previous_id))},
        {"store", Kinds::boolean(kResponses, QWEND_INTO(style.store))},
        {"tools", Kinds::with(kResponses, kToolsSchema, &Reader::tools)},
        {"tool_choice", Kinds::with(kResponses, kToolChoiceSchema, read_tool_choice)},
        {"max_output_tokens",
         Kinds::with(kResponses, integer_schema(1, kMaxTokensLimit), read_max_output_tokens)},
        {"text", Kinds::with(kResponses, kTextSchema, read_text)},
        {"include", Kinds::with(kResponses, array_schema(kStringSchema), read_include)},
        {"top_logprobs", Kinds::integer(kResponses, 0, kMaxLogprobs, QWEND_INTO(top_logprobs))},
        {"truncation", Kinds::with(kResponses, enum_schema({"auto", "disabled"}), read_truncation)},
        {"background",
         Kinds::with(kResponses, R"({"type":"boolean","const":false})", read_background)},
        {"reasoning", Kinds::with(kResponses, kReasoningSchema, read_reasoning)},
    };
}

/// What is repeated or accepted, and changes nothing; and what is refused.
Fields other_fields() {
    return {
        {"max_tool_calls", Kinds::ignored(kResponses)},  // of tools that a server calls
        {"metadata", Kinds::with(kResponses, kObjectSchema, read_object)},
        {"user", any_string()},
        {"safety_identifier", any_string()},
        {"prompt_cache_key", any_string()},
        {"prompt_cache_retention", any_string()},
        {"service_tier", any_string()},
        {"stream_options", Kinds::ignored(kResponses)},      // obfuscation, of which there is none
        {"client_metadata", Kinds::ignored(kResponses)},     // Codex's
        {"context_management", Kinds::ignored(kResponses)},  // when to shorten what is too long,
                                                             // which is refused
        {"conversation", Kinds::refused(kResponses, "use previous_response_id")},
        {"prompt", Kinds::refused(kResponses, "use instructions and input")},
        {"messages", Kinds::refused(kResponses, "use input")},
        {"max_tokens", Kinds::refused(kResponses, "use max_output_tokens")},
        {"max_completion_tokens", Kinds::refused(kResponses, "use max_output_tokens")},
    };
}

}  // namespace

const FieldTable<ResponseReader>& response_fields() {
    static const Fields table = [] {
        Fields all = obeyed_fields();
        all.merge(other_fields());
        return all;
    }();
    return table;
}

const std::map<std::string_view, std::string_view>& echoed_fields() {
    static const std::map<std::string_view, std::string_view> absent = {
        {"instructions", "null"},
        {"previous_response_id", "null"},
        {"tools", "[]"},
        {"tool_choice", R"("auto")"},
        {"max_tool_calls", "null"},
        {"max_output_tokens", "null"},
        {"text", R"({"format":{"type":"text"}})"},
        {"top_logprobs", "0"},
        {"truncation", R"("disabled")"},
        {"background", "false"},
        {"metadata", "{}"},
        {"reasoning", R"({"effort":null,"summary":null})"},
        {"user", "null"},
        {"safety_identifier", "null"},
        {"prompt_cache_key", "null"},
        {"prompt_cache_retention", "null"},
        {"service_tier", R"("default")"},
    };
    return absent;
}

}  // namespace qwend
