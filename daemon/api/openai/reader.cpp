#include "daemon/api/openai/reader.h"

#include <charconv>
#include <unordered_map>

namespace qwend {

namespace {

constexpr int kMaxStops = 16;
constexpr int kMaxStopBytes = 1024;

/// A tool of some provider's, which its servers run: gateways leave such among the functions.
bool is_hosted_tool(const JsonValue& tool) {
    std::string type;
    const auto named = tool.member("type");
    return !tool.member("function") && named && named->get(type) && type != "function" &&
           type != "custom";
}

/// PHP's way to write {}.
bool is_empty_array(const JsonValue& value) {
    return value.is_array() && !(value.elements().begin() != value.elements().end());
}

}  // namespace

bool RequestReader::tools(const JsonValue& value) {
    if (!value.is_array()) return read.expected("tools", "an array", value);
    size_t i = 0;
    for (const JsonValue element : value.elements()) {
        const std::string at = fmt::format("tools[{}]", i++);
        auto& tools = generation.chat_options.tools;
        if (tools.size() == kMaxTools)
            return read.fail("tools", fmt::format("tools: expected at most {}", kMaxTools));
        if (is_hosted_tool(element)) continue;
        const auto function = element.member("function");
        const auto name = function ? function->member("name") : std::nullopt;
        std::string text;
        if (!name || !name->get(text))
            return read.expected(at, "an object with a function that has a name", element);
        if (!read_offered_tool(read, at + ".function", *function, "parameters", std::move(text),
                               generation))
            return false;
        tools.emplace_back(element.raw());
    }
    return true;
}

/// A string, a list of strings, a list of token ids, or a list of lists of token ids.
bool RequestReader::prompts(const JsonValue& value) {
    constexpr size_t kMost = size_t(kMaxTokensLimit);
    std::string text;
    generation.prompts.clear();
    if (value.get(text)) {
        generation.prompts.emplace_back(std::move(text));
        return true;
    }
    if (!value.is_array()) return read.expected("prompt", "a string or a list", value);
    lists_prompts = true;
    for (const JsonValue element : value.elements()) {
        if (generation.prompts.empty() && element.is_number()) {
            generation.prompts.emplace_back(std::vector<int32_t>());
            lists_prompts = false;
            return read.token_ids("prompt", value, kMost, std::get<1>(generation.prompts.back()));
        }
        if (int(generation.prompts.size()) >= limits.max_choices)
            return read.fail(
                "prompt", fmt::format("prompt: expected at most {} prompts", limits.max_choices));
        std::vector<int32_t> ids;
        if (element.get(text))
            generation.prompts.emplace_back(std::move(text));
        else if (read.token_ids(fmt::format("prompt[{}]", generation.prompts.size()), element,
                                kMost, ids))
            generation.prompts.emplace_back(std::move(ids));
        else
            return false;
    }
    if (generation.prompts.empty()) return no_prompt("prompt");
    return true;
}

/// vLLM refuses it too; OpenAI's models begin with <|endoftext|> then, Qwen2's have no such token.
bool RequestReader::no_prompt(const std::string& param) {
    return read.fail(param,
                     fmt::format("{}: expected text or token ids, found none; the model has no "
                                 "token of its own to begin with: to have it begin a document, "
                                 "send \"<|endoftext|>\"",
                                 param));
}

bool RequestReader::stops(const JsonValue& value) {
    auto add = [&](const std::string& param, const JsonValue& element) {
        std::string stop;
        if (!read.string(param, element, stop)) return false;
        if (stop.empty() || stop.size() > kMaxStopBytes)
            return read.fail(param,
                             fmt::format("{}: expected 1 to {} bytes", param, kMaxStopBytes));
        generation.stops.push_back(std::move(stop));
        return true;
    };
    if (!value.is_array()) return add("stop", value);
    for (const JsonValue element : value.elements()) {
        if (generation.stops.size() == kMaxStops)
            return read.fail("stop", fmt::format("stop: expected at most {} strings", kMaxStops));
        if (!add(fmt::format("stop[{}]", generation.stops.size()), element)) return false;
    }
    return true;
}

/// "1" and "01" name one id: the later one counts, as of two equal keys in Python.
bool RequestReader::logit_bias(const JsonValue& value) {
    if (is_empty_array(value)) return true;
    if (!value.is_object()) return read.expected("logit_bias", "an object", value);
    auto& biases = generation.sampling.logit_bias;
    std::unordered_map<int32_t, size_t> place_of;
    for (const auto& [key, bias] : value.members()) {
        if (biases.size() == kMaxListedIds)
            return read.fail("logit_bias",
                             fmt::format("logit_bias: expected at most {} ids", kMaxListedIds));
        const std::string at = "logit_bias." + excerpt(key, 20);
        int32_t id = -1;
        const auto [end, rc] = std::from_chars(key.data(), key.data() + key.size(), id);
        if (rc != std::errc() || end != key.data() + key.size() || id < 0 ||
            id >= limits.vocab_size)
            return read.fail(
                at, fmt::format("{}: expected a token id below {}", at, limits.vocab_size));
        float amount = 0;
        if (!read.number(at, bias, -100, 100, amount)) return false;
        const auto [place, is_new] = place_of.emplace(id, biases.size());
        if (is_new) biases.emplace_back(id, amount);
        biases[place->second].second = amount;
    }
    return true;
}

bool RequestReader::bad_words(const JsonValue& value) {
    if (!value.is_array()) return read.expected("bad_words", "an array of strings", value);
    auto& words = generation.bad_words;
    for (const JsonValue element : value.elements()) {
        if (words.size() == kMaxBadWords)
            return read.fail("bad_words",
                             fmt::format("bad_words: expected at most {} words", kMaxBadWords));
        const std::string at = fmt::format("bad_words[{}]", words.size());
        std::string word;
        if (!read.string(at, element, word)) return false;
        if (word.size() > kMaxBadWordBytes || word.find_first_not_of(' ') == word.npos)
            return read.fail(at, fmt::format("{}: expected 1 to {} bytes, and not only spaces", at,
                                             kMaxBadWordBytes));
        words.push_back(std::move(word));
    }
    return true;
}

bool RequestReader::stream_options(const JsonValue& value) {
    if (is_empty_array(value)) return true;
    if (!value.is_object()) return read.expected("stream_options", "an object", value);
    for (const auto& [key, option] : value.members()) {
        if (option.is_null()) continue;
        if (key == "include_usage" &&
            !read.boolean("stream_options.include_usage", option, style.include_usage))
            return false;
        if (key == "continuous_usage_stats" &&
            !read.boolean("stream_options.continuous_usage_stats", option, style.continuous_usage))
            return false;
    }
    return true;
}

/// vLLM's, for templates of models that answer from what they are given.
bool RequestReader::documents(const JsonValue& value) {
    if (!value.is_array()) return read.expected("documents", "an array of objects", value);
    size_t n = 0;
    for (const JsonValue element : value.elements()) {
        if (!element.is_object())
            return read.expected(fmt::format("documents[{}]", n), "an object", element);
        n++;
    }
    if (n > 0) generation.chat_options.documents = value.raw();
    return true;
}

/// Variables for the template. What the request has fields for may not come in this way, the
/// template itself least of all.
bool RequestReader::template_kwargs(const JsonValue& value) {
    if (is_empty_array(value)) return true;
    if (!value.is_object()) return read.expected("chat_template_kwargs", "an object", value);
    for (const auto& [key, variable] : value.members())
        for (const std::string_view own : {"chat_template", "messages", "tools",
                                           "add_generation_prompt", "continue_final_message"})
            if (key == own) return read.unsupported("chat_template_kwargs." + key);
    generation.chat_options.template_kwargs = value.raw();
    return true;
}

}  // namespace qwend
