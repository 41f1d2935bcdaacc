#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "daemon/api/openai/request.h"
#include "model/json_document.h"

namespace qwend {

/// Tokens no field may exceed, whatever the model.
inline constexpr int kMaxTokensLimit = 1 << 24;
/// Ids in logit_bias and allowed_token_ids.
inline constexpr size_t kMaxListedIds = 4096;
/// Functions a model may be offered.
inline constexpr size_t kMaxTools = 128;

/// Reads fields of a request into it; the first error stops everything. Every function takes time
/// in proportion to the text it reads, and returns false once there is an error.
class RequestReader {
  public:
    RequestReader(const RequestLimits& request_limits, OpenAiRequest& read_into)
        : limits(request_limits),
          request(read_into),
          generation(read_into.generation),
          style(read_into.style) {}

    bool fail(const std::string& param, std::string message, std::string code = "");
    bool expected(const std::string& param, std::string_view what, const JsonValue& found);

    bool boolean(const std::string& param, const JsonValue& value, bool& out);
    bool integer(const std::string& param, const JsonValue& value, int64_t low, int64_t high,
                 auto& out) {
        int64_t n = 0;
        if (!value.get(n) || n < low || n > high) {
            double any = 0;  // an integer beyond 64 bits is one, and out of range
            return expected(param,
                            value.get(any) && (value.get(n) || value.is_integer())
                                ? fmt::format("an integer from {} to {}", low, high)
                                : "an integer",
                            value);
        }
        out = std::decay_t<decltype(out)>(n);
        return true;
    }
    bool number(const std::string& param, const JsonValue& value, double low, double high,
                float& out);
    bool string(const std::string& param, const JsonValue& value, std::string& out);
    /// A string of at most `most` bytes of visible ASCII.
    bool identifier(const std::string& param, const JsonValue& value, size_t most,
                    std::string& out);
    bool token_id(const std::string& param, const JsonValue& value, int32_t& out) {
        return integer(param, value, 0, limits.vocab_size - 1, out);
    }
    bool token_ids(const std::string& param, const JsonValue& value, size_t most,
                   std::vector<int32_t>& out);

    bool messages(const JsonValue& value);
    bool tools(const JsonValue& value);
    bool prompts(const JsonValue& value);
    bool no_prompt(const std::string& param);  // where there has to be one
    bool stops(const JsonValue& value);
    bool logit_bias(const JsonValue& value);
    bool stream_options(const JsonValue& value);
    bool unsupported(std::string_view field, std::string_view instead = "");

    const RequestLimits& limits;
    OpenAiRequest& request;
    Generation& generation;  // the request's
    OpenAiStyle& style;      // the request's
    std::optional<ApiError> error;
    // Fields whose meaning depends on others, settled once all are read.
    bool lists_prompts = false;  // so that one is named by its place
    bool use_tools = true;
    std::vector<std::string> tool_names;                    // of the tools, in their order
    std::optional<std::vector<std::string>> allowed_tools;  // names of those that may be called
    int completion_logprobs = -1, top_logprobs = -1, best_of = -1;
    bool chat_logprobs = false;
    std::optional<int> max_completion_tokens;  // wins over max_tokens
    bool asks_generation_prompt = false;       // add_generation_prompt is true in so many words
};

}  // namespace qwend
