#pragma once

#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "daemon/openai.h"

namespace qwend {

/// Tokens no field may exceed, whatever the model.
inline constexpr int kMaxTokensLimit = 1 << 24;
/// Ids in logit_bias and allowed_token_ids.
inline constexpr size_t kMaxListedIds = 4096;

/// Reads fields of a request into it; the first error stops everything.
class RequestReader {
  public:
    RequestReader(const RequestLimits& limits, CompletionRequest& request)
        : limits(limits), request(request) {}

    bool fail(std::string param, std::string message, std::string code = "") {
        if (!error) error = ApiError{400, "invalid_request_error", code, param, message};
        return false;
    }
    bool expected(const std::string& param, std::string_view what, simdjson::dom::element found) {
        std::string text = simdjson::minify(found);
        if (text.size() > 40) text = text.substr(0, 40) + "…";
        return fail(param, fmt::format("{}: expected {}, found {}", param, what, text));
    }
    bool boolean(const std::string& param, simdjson::dom::element value, bool& out) {
        return !value.get(out) || expected(param, "true or false", value);
    }
    bool integer(const std::string& param, simdjson::dom::element value, int64_t low, int64_t high,
                 auto& out) {
        int64_t n = 0;
        double d = 0;
        if (value.get(n)) {  // 16.0 is an integer too, to clients that have one number type
            if (value.get(d) || d != std::floor(d) || std::fabs(d) > 1e15)
                return expected(param, "an integer", value);
            n = int64_t(d);
        }
        if (n < low || n > high)
            return expected(param, fmt::format("an integer from {} to {}", low, high), value);
        out = std::decay_t<decltype(out)>(n);
        return true;
    }
    bool number(const std::string& param, simdjson::dom::element value, double low, double high,
                float& out) {
        double d = 0;
        if (value.get(d) || !(d >= low && d <= high))
            return expected(param, fmt::format("a number from {} to {}", low, high), value);
        out = float(d);
        return true;
    }
    bool string(const std::string& param, simdjson::dom::element value, std::string& out) {
        std::string_view text;
        if (value.get(text)) return expected(param, "a string", value);
        out = text;
        return true;
    }
    bool token_id(const std::string& param, simdjson::dom::element value, int32_t& out) {
        return integer(param, value, 0, limits.vocab_size - 1, out);
    }
    bool token_ids(const std::string& param, simdjson::dom::element value, size_t most,
                   std::vector<int32_t>& out) {
        simdjson::dom::array list;
        if (value.get(list)) return expected(param, "a list of token ids", value);
        for (auto element : list) {
            if (out.size() >= most)
                return fail(param, fmt::format("{}: expected at most {} ids", param, most));
            int64_t n = 0;
            int32_t id = 0;
            // A place's name is made only where it is needed: a prompt may have 100,000 ids.
            if (!element.get(n) && n >= 0 && n < limits.vocab_size)
                id = int32_t(n);
            else if (!token_id(fmt::format("{}[{}]", param, out.size()), element, id))
                return false;
            out.push_back(id);
        }
        return true;
    }
    bool content(const std::string& param, simdjson::dom::element value, std::string& out);
    bool tool_calls(const std::string& param, simdjson::dom::element value, ChatMessage& message);
    bool message(const std::string& param, simdjson::dom::element value);
    bool messages(simdjson::dom::element value);
    bool tools(simdjson::dom::element value);
    bool prompts(simdjson::dom::element value);
    bool stops(simdjson::dom::element value);
    bool logit_bias(simdjson::dom::element value);
    bool stream_options(simdjson::dom::element value);
    bool unsupported(std::string_view field);

    const RequestLimits& limits;
    CompletionRequest& request;
    std::optional<ApiError> error;
    // Fields whose meaning depends on others, settled once all are read.
    bool use_tools = true;
    int completion_logprobs = -1, top_logprobs = -1, best_of = -1;
    bool chat_logprobs = false;
};

}  // namespace qwend
