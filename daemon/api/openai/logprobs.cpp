#include "daemon/api/openai/logprobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "daemon/api/json_writer.h"
#include "daemon/api/token_logprobs.h"

namespace qwend {

LogprobWriter::LogprobWriter(LogprobStyle style)
    : style_(style), ready_(style.chat ? "{\"content\":[" : "{\"top_logprobs\":[") {}

void LogprobWriter::add(const PlacedToken& token) {
    if (n_tokens_++ > 0) ready_ += ',';
    style_.chat ? add_chat(token) : add_text(token);
}

void LogprobWriter::close() {
    ready_ += style_.chat ? std::string("],\"refusal\":null}")
                          : fmt::format(
                                "],\"tokens\":[{}],\"token_logprobs\":[{}],"
                                "\"text_offset\":[{}]}}",
                                tokens_, logprobs_, offsets_);
}

/// A token that is no text of its own is spelled "bytes:\xe4\xbd" in completions, as OpenAI does
/// it.
std::string LogprobWriter::name(int32_t token) const {
    if (style_.tokens_as_ids) return fmt::format("token_id:{}", token);
    const TokenName named = token_name(*style_.tokenizer, token);
    return named.is_partial ? "bytes:" + named.text : named.text;
}

void LogprobWriter::add_chat(const PlacedToken& placed) {
    append_token_logprobs(ready_, placed.sampled, *style_.tokenizer, style_.tokens_as_ids);
}

void LogprobWriter::add_text(const PlacedToken& placed) {
    if (n_tokens_ > 1)
        for (std::string* list : {&tokens_, &logprobs_, &offsets_}) *list += ',';
    append_json_string(tokens_, name(placed.sampled.token));
    append_logprob(logprobs_, placed.sampled.logprob);
    offsets_ += fmt::format_int(placed.text_offset).c_str();
    append_tops(placed.sampled);
}

/// A dictionary by text: where two ids have the same, the second is called by its id.
void LogprobWriter::append_tops(const SampledToken& sampled) {
    std::vector<std::string> used;
    auto entry = [&](int32_t token, float logprob) {
        std::string key = name(token);
        if (std::find(used.begin(), used.end(), key) != used.end())
            key = fmt::format("token_id:{}", token);
        if (!used.empty()) ready_ += ',';
        append_json_string(ready_, key);
        ready_ += ':';
        append_logprob(ready_, logprob);
        used.push_back(std::move(key));
    };
    ready_ += '{';
    bool listed = false;
    for (const TokenLogprob& top : sampled.top) {
        entry(top.token, top.logprob);
        listed |= top.token == sampled.token;
    }
    if (!listed) entry(sampled.token, sampled.logprob);
    ready_ += '}';
}

}  // namespace qwend
