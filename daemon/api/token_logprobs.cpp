#include "daemon/api/token_logprobs.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "daemon/api/json_writer.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr float kLeastLogprob = -9999;

}  // namespace

TokenName token_name(const Tokenizer& tokenizer, int32_t token) {
    const std::string_view bytes = tokenizer.token_bytes(token);
    TokenName name;
    for (size_t at = 0; at < bytes.size();) {
        const DecodedChar c = utf8_at(bytes, at);
        if (c.valid)
            name.text.append(bytes.substr(at, size_t(c.length)));
        else
            fmt::format_to(std::back_inserter(name.text), "\\x{:02x}", uint8_t(bytes[at]));
        name.is_partial |= !c.valid;
        at += size_t(c.length);
    }
    return name;
}

void append_logprob(std::string& out, float logprob) {
    fmt::format_to(std::back_inserter(out), "{}", double(std::fmax(logprob, kLeastLogprob)));
}

void append_token_logprobs(std::string& out, const SampledToken& sampled,
                           const Tokenizer& tokenizer, bool tokens_as_ids) {
    auto entry = [&](int32_t token, float logprob) {
        out += "{\"token\":";
        append_json_string(out, tokens_as_ids ? fmt::format("token_id:{}", token)
                                              : token_name(tokenizer, token).text);
        out += ",\"logprob\":";
        append_logprob(out, logprob);
        out += ",\"bytes\":[";
        const char* comma = "";
        for (char c : tokenizer.token_bytes(token)) {
            out.append(comma).append(fmt::format_int(uint8_t(c)).c_str());
            comma = ",";
        }
        out += ']';
    };
    entry(sampled.token, sampled.logprob);
    out += ",\"top_logprobs\":[";
    const char* comma = "";
    for (const TokenLogprob& top : sampled.top) {
        out += comma;
        entry(top.token, top.logprob);
        out += '}';
        comma = ",";
    }
    out += "]}";
}

}  // namespace qwend
