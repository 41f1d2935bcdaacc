#include "daemon/api/responses/fields.h"

#include <algorithm>

#include "daemon/api/openai/fields.h"

namespace qwend {

namespace {

using Reader = ResponseReader;
using Value = JsonValue;

bool read_input(Reader& r, std::string_view, const Value& v) {
    r.input = v;
    return true;
}

bool read_instructions(Reader& r, std::string_view, const Value& v) {
    return r.read.string("instructions", v, r.instructions);
}

bool read_tools(Reader& r, std::string_view, const Value& v) {
    return r.tools(v);
}

/// {"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":…}]}: the tools of the
/// request that the model may choose among.
bool read_allowed_tools(Reader& r, const Value& choice) {
    std::string text;
    const auto mode = choice.member("mode"), tools = choice.member("tools");
    if (!tools || !tools->is_array())
        return r.read.expected("tool_choice", "an object with tools", choice);
    if (!mode || !mode->get(text) || text != "auto")
        return r.read.unsupported("tool_choice.mode", "only auto");
    auto& names = r.base.allowed_tools.emplace();
    for (const Value tool : tools->elements()) {
        const std::string at = fmt::format("tool_choice.tools[{}]", names.size());
        const auto name = tool.member("name");
        std::string name_space;
        if (const auto of = tool.member("namespace"); of && !of->is_null())
            if (!r.read.string(at + ".namespace", *of, name_space)) return false;
        if (names.size() == kMaxTools)
            return r.read.fail(at, fmt::format("{}: expected at most {} tools", at, kMaxTools));
        if (!name || !name->get(text)) return r.read.expected(at, "an object with a name", tool);
        names.push_back(called_name(name_space, text));
    }
    return true;
}

bool read_tool_choice(Reader& r, std::string_view, const Value& v) {
    std::string choice, type;
    const auto named = v.member("type");
    if (named && named->get(type) && type == "allowed_tools") return read_allowed_tools(r, v);
    if (!v.get(choice) || (choice != "auto" && choice != "none"))
        return r.read.unsupported("tool_choice", "only auto, none and allowed_tools");
    r.base.use_tools = choice == "auto";
    return true;
}

/// A bound: clients set one that suits the largest of contexts.
bool read_max_output_tokens(Reader& r, std::string_view, const Value& v) {
    int n = 0;
    if (!r.read.integer("max_output_tokens", v, 1, kMaxTokensLimit, n)) return false;
    r.generation.max_tokens = n;
    r.generation.clips_max_tokens = true;
    return true;
}

/// {"format":{"type":"text"},"verbosity":…}; how much a model should say, these are not told.
bool read_text(Reader& r, std::string_view, const Value& v) {
    if (!v.is_object()) return r.read.expected("text", "an object", v);
    const auto format = v.member("format");
    if (!format || format->is_null()) return true;
    std::string type;
    const auto named = format->member("type");
    if (named && named->get(type) && type == "text") return true;
    return r.read.unsupported("text.format", R"(only {"type":"text"})");
}

/// What else a response should have in it: of what there is to be had here, logprobs.
bool read_include(Reader& r, std::string_view, const Value& v) {
    if (!v.is_array()) return r.read.expected("include", "an array", v);
    size_t i = 0;
    for (const Value element : v.elements()) {
        std::string what;
        if (!r.read.string(fmt::format("include[{}]", i++), element, what)) return false;
        r.wants_logprobs |= what == "message.output_text.logprobs";
    }
    return true;
}

bool read_top_logprobs(Reader& r, std::string_view, const Value& v) {
    return r.read.integer("top_logprobs", v, 0, kMaxLogprobs, r.top_logprobs);
}

bool read_store(Reader& r, std::string_view, const Value& v) {
    return r.read.boolean("store", v, r.style.store);
}

bool read_previous(Reader& r, std::string_view, const Value& v) {
    return r.read.string("previous_response_id", v, r.style.previous_id);
}

/// Whoever waits for it would poll for ever: here an answer goes to who asked.
bool read_background(Reader& r, std::string_view, const Value& v) {
    bool wanted = false;
    if (!r.read.boolean("background", v, wanted)) return false;
    return !wanted || r.read.unsupported("background", "use stream");
}

/// A cut that happens by itself is none: what does not fit is refused, whatever this says.
bool read_truncation(Reader& r, std::string_view, const Value& v) {
    std::string how;
    return (v.get(how) && (how == "auto" || how == "disabled")) ||
           r.read.expected("truncation", R"("auto" or "disabled")", v);
}

bool read_object(Reader& r, std::string_view name, const Value& v) {
    return v.is_object() || r.read.expected(std::string(name), "an object", v);
}

/// What is told of how a model reasons, besides how much it should.
bool read_reasoning(Reader& r, std::string_view, const Value& v) {
    if (!v.is_object()) return r.read.expected("reasoning", "an object", v);
    const auto effort = v.member("effort");
    return !effort || effort->is_null() ||
           r.read.string("reasoning.effort", *effort, r.generation.chat_options.reasoning_effort);
}

bool read_string(Reader& r, std::string_view name, const Value& v) {
    return v.is_string() || r.read.expected(std::string(name), "a string", v);
}

bool ignore(Reader&, std::string_view, const Value&) {
    return true;
}

}  // namespace

const std::map<std::string_view, ResponseField>& response_fields() {
    static const std::map<std::string_view, ResponseField> table = {
        {"input", {read_input}},
        {"instructions", {read_instructions, "null"}},
        {"previous_response_id", {read_previous, "null"}},
        {"store", {read_store}},
        {"tools", {read_tools, "[]"}},
        {"tool_choice", {read_tool_choice, R"("auto")"}},
        {"max_tool_calls", {ignore, "null"}},  // of tools that a server calls
        {"max_output_tokens", {read_max_output_tokens, "null"}},
        {"text", {read_text, R"({"format":{"type":"text"}})"}},
        {"include", {read_include}},
        {"top_logprobs", {read_top_logprobs, "0"}},
        {"truncation", {read_truncation, R"("disabled")"}},
        {"background", {read_background, "false"}},
        {"metadata", {read_object, "{}"}},
        {"reasoning", {read_reasoning, R"({"effort":null,"summary":null})"}},
        {"user", {read_string, "null"}},
        {"safety_identifier", {read_string, "null"}},
        {"prompt_cache_key", {read_string, "null"}},
        {"prompt_cache_retention", {read_string, "null"}},
        {"service_tier", {read_string, R"("default")"}},
        {"stream_options", {ignore}},      // obfuscation, of which there is none
        {"client_metadata", {ignore}},     // Codex's
        {"context_management", {ignore}},  // when to shorten what is too long, which is refused
        {"conversation", {nullptr, nullptr, "use previous_response_id"}},
        {"prompt", {nullptr, nullptr, "use instructions and input"}},
        {"messages", {nullptr, nullptr, "use input"}},
        {"max_tokens", {nullptr, nullptr, "use max_output_tokens"}},
        {"max_completion_tokens", {nullptr, nullptr, "use max_output_tokens"}},
    };
    return table;
}

}  // namespace qwend
