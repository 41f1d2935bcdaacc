#include "daemon/api/openai/logprobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "daemon/api/json_writer.h"
#include "model/utf8.h"

namespace qwend {

namespace {

/// JSON has no infinity; vLLM's clients know this value for it.
constexpr float kLeastLogprob = -9999;

void append_number(std::string& out, float logprob) {
    fmt::format_to(std::back_inserter(out), "{}", double(std::fmax(logprob, kLeastLogprob)));
}

/// `bytes` with those that are part of a character spelled "\xe4"; false if there are none.
bool spell_bytes(std::string_view bytes, std::string& spelled) {
    bool partial = false;
    for (size_t at = 0; at < bytes.size();) {
        const DecodedChar c = utf8_at(bytes, at);
        if (c.valid)
            spelled.append(bytes.substr(at, size_t(c.length)));
        else
            fmt::format_to(std::back_inserter(spelled), "\\x{:02x}", uint8_t(bytes[at]));
        partial |= !c.valid;
        at += size_t(c.length);
    }
    return partial;
}

}  // namespace

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

/// A token that is no text of its own is spelled as OpenAI does it: "\xe4\xbd" in chat, where its
/// bytes are listed too, and "bytes:\xe4\xbd" in completions.
std::string LogprobWriter::name(int32_t token) const {
    if (style_.tokens_as_ids) return fmt::format("token_id:{}", token);
    std::string spelled;
    const bool partial = spell_bytes(style_.tokenizer->token_bytes(token), spelled);
    return partial && !style_.chat ? "bytes:" + spelled : spelled;
}

void LogprobWriter::add_chat(const PlacedToken& placed) {
    auto entry = [&](int32_t token, float logprob) {
        ready_ += "{\"token\":";
        append_json_string(ready_, name(token));
        ready_ += ",\"logprob\":";
        append_number(ready_, logprob);
        ready_ += ",\"bytes\":[";
        const char* comma = "";
        for (char c : style_.tokenizer->token_bytes(token)) {
            ready_.append(comma).append(fmt::format_int(uint8_t(c)).c_str());
            comma = ",";
        }
        ready_ += ']';
    };
    entry(placed.sampled.token, placed.sampled.logprob);
    ready_ += ",\"top_logprobs\":[";
    const char* comma = "";
    for (const TokenLogprob& top : placed.sampled.top) {
        ready_ += comma;
        entry(top.token, top.logprob);
        ready_ += '}';
        comma = ",";
    }
    ready_ += "]}";
}

void LogprobWriter::add_text(const PlacedToken& placed) {
    if (n_tokens_ > 1)
        for (std::string* list : {&tokens_, &logprobs_, &offsets_}) *list += ',';
    append_json_string(tokens_, name(placed.sampled.token));
    append_number(logprobs_, placed.sampled.logprob);
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
        append_number(ready_, logprob);
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
