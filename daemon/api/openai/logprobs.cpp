#include "daemon/api/openai/logprobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "daemon/api/json_writer.h"
#include "daemon/api/token_logprobs.h"

namespace qwend {

namespace {

/// A token that is no text of its own is spelled "bytes:\xe4\xbd" in completions, as OpenAI does
/// it.
std::string name_of(const LogprobStyle& style, int32_t token) {
    if (style.tokens_as_ids) return fmt::format("token_id:{}", token);
    const TokenName named = token_name(*style.tokenizer, token);
    return named.is_partial ? "bytes:" + named.text : named.text;
}

/// A dictionary by text: where two ids have the same, the second is called by its id.
void append_tops(std::string& out, const LogprobStyle& style, const SampledToken& sampled) {
    std::vector<std::string> used;
    auto entry = [&](int32_t token, float logprob) {
        std::string key = name_of(style, token);
        if (std::find(used.begin(), used.end(), key) != used.end())
            key = fmt::format("token_id:{}", token);
        if (!used.empty()) out += ',';
        append_json_string(out, key);
        out += ':';
        append_logprob(out, logprob);
        used.push_back(std::move(key));
    };
    out += '{';
    bool listed = false;
    for (const TokenLogprob& top : sampled.top) {
        entry(top.token, top.logprob);
        listed |= top.token == sampled.token;
    }
    if (!listed) entry(sampled.token, sampled.logprob);
    out += '}';
}

}  // namespace

void LogprobLists::add(const LogprobStyle& style, const SampledToken& sampled, size_t text_offset,
                       bool is_first) {
    append_json_string(tokens, name_of(style, sampled.token));
    offsets += fmt::format_int(text_offset).c_str();
    if (is_first) {
        logprobs += "null";
        tops += "null";
        return;
    }
    append_logprob(logprobs, sampled.logprob);
    append_tops(tops, style, sampled);
}

LogprobWriter::LogprobWriter(LogprobStyle style, const PromptLists* prompt) : style_(style) {
    if (prompt) prompt_ = *prompt, is_first_ = false;
    ready_.append(style.chat ? "{\"content\":[" : "{\"top_logprobs\":[");
    ready_.append(prompt_.tops);
}

void LogprobWriter::add(const PlacedToken& token) {
    const bool goes_on = !std::exchange(is_first_, false);
    if (style_.chat) {
        std::string entry = goes_on ? "," : "";
        append_token_logprobs(entry, token.sampled, *style_.tokenizer, style_.tokens_as_ids);
        ready_.append(std::string_view(entry));
        return;
    }
    if (goes_on)
        for (std::string* list : {&lists_.tops, &lists_.tokens, &lists_.logprobs, &lists_.offsets})
            *list += ',';
    lists_.add(style_, token.sampled, token.text_offset);
    ready_.append(std::string_view(lists_.tops));
    lists_.tops.clear();
}

void LogprobWriter::close() {
    if (style_.chat) {
        ready_.append("],\"refusal\":null}");
        return;
    }
    ready_.append("],\"tokens\":[").append(prompt_.tokens).append(std::move(lists_.tokens));
    ready_.append("],\"token_logprobs\":[").append(prompt_.logprobs);
    ready_.append(std::move(lists_.logprobs));
    ready_.append("],\"text_offset\":[").append(prompt_.offsets);
    ready_.append(std::move(lists_.offsets)).append("]}");
}

}  // namespace qwend
