#include "daemon/openai_reader.h"

#include <charconv>

namespace qwend {

namespace {

constexpr int kMaxStops = 16;
constexpr int kMaxStopBytes = 1024;
constexpr size_t kMaxMessages = 4096;
constexpr size_t kMaxTools = 128;

}  // namespace

namespace dom = simdjson::dom;

/// A string, or an array of {"type":"text","text":…} parts.
bool RequestReader::content(const std::string& param, dom::element value, std::string& out) {
    std::string_view text;
    if (!value.get(text)) {
        out = text;
        return true;
    }
    dom::array parts;
    if (value.is_null()) return true;
    if (value.get(parts)) return expected(param, "a string or an array of text parts", value);
    size_t i = 0;
    for (auto part : parts) {
        const std::string at = fmt::format("{}[{}]", param, i++);
        dom::object object;
        std::string_view type;
        if (part.get(object) || object.at_key("type").get(type))
            return expected(at, "an object with a type", part);
        if (type != "text")
            return fail(at + ".type",
                        fmt::format("{}.type: only text is supported, found {}", at, type));
        if (object.at_key("text").get(text)) return expected(at + ".text", "a string", part);
        out += text;
    }
    return true;
}

bool RequestReader::tool_calls(const std::string& param, dom::element value, ChatMessage& message) {
    dom::array calls;
    if (value.get(calls)) return expected(param, "an array", value);
    for (auto element : calls) {
        const std::string at = fmt::format("{}[{}]", param, message.tool_calls.size());
        dom::object call, function;
        dom::element arguments;
        std::string_view name, text;
        if (element.get(call) || call.at_key("function").get(function) ||
            function.at_key("name").get(name))
            return expected(at + ".function", "an object with a name", element);
        if (function.at_key("arguments").get(arguments))
            return expected(at + ".function.arguments", "a string", element);
        ChatToolCall out{std::string(name), {}};
        out.arguments =
            arguments.get(text) ? std::string(simdjson::minify(arguments)) : std::string(text);
        message.tool_calls.push_back(std::move(out));
    }
    return true;
}

bool RequestReader::message(const std::string& param, dom::element value) {
    dom::object object;
    if (value.get(object)) return expected(param, "an object", value);
    ChatMessage message;
    dom::element role, content_value, calls;
    if (object.at_key("role").get(role))
        return fail(param + ".role", fmt::format("{}.role: expected a role", param));
    if (!string(param + ".role", role, message.role)) return false;
    if (message.role == "developer") message.role = "system";  // OpenAI's newer name for it
    if (!object.at_key("content").get(content_value)) {
        if (!content(param + ".content", content_value, message.content)) return false;
    } else if (object.at_key("tool_calls").get(calls)) {
        return fail(param + ".content", fmt::format("{}.content: expected content", param));
    }
    if (!object.at_key("tool_calls").get(calls) && !calls.is_null() &&
        !tool_calls(param + ".tool_calls", calls, message))
        return false;
    request.messages.push_back(std::move(message));
    return true;
}

bool RequestReader::messages(dom::element value) {
    dom::array list;
    if (value.get(list)) return expected("messages", "an array", value);
    if (list.size() == 0) return fail("messages", "messages: expected at least one");
    if (list.size() > kMaxMessages)
        return fail("messages", fmt::format("messages: expected at most {}", kMaxMessages));
    size_t i = 0;
    for (auto element : list)
        if (!message(fmt::format("messages[{}]", i++), element)) return false;
    return true;
}

bool RequestReader::tools(dom::element value) {
    dom::array list;
    if (value.get(list)) return expected("tools", "an array", value);
    if (list.size() > kMaxTools)
        return fail("tools", fmt::format("tools: expected at most {}", kMaxTools));
    for (auto element : list) {
        dom::object tool, function;
        std::string_view name;
        const std::string at = fmt::format("tools[{}]", request.chat_options.tools.size());
        if (element.get(tool) || tool.at_key("function").get(function) ||
            function.at_key("name").get(name))
            return expected(at, "an object with a function that has a name", element);
        request.chat_options.tools.push_back(simdjson::minify(element));
    }
    return true;
}

/// A string, a list of strings, a list of token ids, or a list of lists of token ids.
bool RequestReader::prompts(dom::element value) {
    constexpr size_t kMost = size_t(kMaxTokensLimit);
    std::string_view text;
    if (!value.get(text)) {
        request.prompts.emplace_back(std::string(text));
        return true;
    }
    dom::array list;
    if (value.get(list)) return expected("prompt", "a string or a list", value);
    if (list.size() == 0) return fail("prompt", "prompt: expected at least one");
    if (list.at(0).is_int64()) {
        request.prompts.emplace_back(std::vector<int32_t>());
        return token_ids("prompt", value, kMost, std::get<1>(request.prompts.back()));
    }
    for (auto element : list) {
        const std::string at = fmt::format("prompt[{}]", request.prompts.size());
        if (int(request.prompts.size()) >= limits.max_choices)
            return fail("prompt",
                        fmt::format("prompt: expected at most {} prompts", limits.max_choices));
        if (!element.get(text)) {
            request.prompts.emplace_back(std::string(text));
            continue;
        }
        std::vector<int32_t> ids;
        if (!token_ids(at, element, kMost, ids)) return false;
        request.prompts.emplace_back(std::move(ids));
    }
    return true;
}

bool RequestReader::stops(dom::element value) {
    auto add = [&](const std::string& param, dom::element element) {
        std::string stop;
        if (!string(param, element, stop)) return false;
        if (stop.empty() || stop.size() > kMaxStopBytes)
            return fail(param, fmt::format("{}: expected 1 to {} bytes", param, kMaxStopBytes));
        request.stops.push_back(std::move(stop));
        return true;
    };
    dom::array list;
    if (value.get(list)) return add("stop", value);
    if (list.size() > kMaxStops)
        return fail("stop", fmt::format("stop: expected at most {} strings", kMaxStops));
    for (auto element : list)
        if (!add(fmt::format("stop[{}]", request.stops.size()), element)) return false;
    return true;
}

bool RequestReader::logit_bias(dom::element value) {
    dom::object object;
    if (value.get(object)) return expected("logit_bias", "an object", value);
    if (object.size() > kMaxListedIds)
        return fail("logit_bias",
                    fmt::format("logit_bias: expected at most {} ids", kMaxListedIds));
    for (auto [key, bias] : object) {
        const std::string at = fmt::format("logit_bias.{}", key.substr(0, 20));
        int32_t id = -1;
        const auto [end, rc] = std::from_chars(key.data(), key.data() + key.size(), id);
        if (rc != std::errc() || end != key.data() + key.size() || id < 0 ||
            id >= limits.vocab_size)
            return fail(at, fmt::format("{}: expected a token id below {}", at, limits.vocab_size));
        float amount = 0;
        if (!number(at, bias, -100, 100, amount)) return false;
        request.sampling.logit_bias.emplace_back(id, amount);
    }
    return true;
}

bool RequestReader::stream_options(dom::element value) {
    dom::object object;
    if (value.get(object)) return expected("stream_options", "an object", value);
    dom::element field;
    if (!object.at_key("include_usage").get(field) &&
        !boolean("stream_options.include_usage", field, request.include_usage))
        return false;
    return object.at_key("continuous_usage_stats").get(field) ||
           boolean("stream_options.continuous_usage_stats", field, request.continuous_usage);
}

bool RequestReader::unsupported(std::string_view field) {
    return fail(std::string(field), fmt::format("{}: not supported by this server yet", field),
                "unsupported_parameter");
}

}  // namespace qwend
