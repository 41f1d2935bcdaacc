#include "daemon/api/responses/object.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <array>
#include <cstdint>
#include <ctime>

#include "daemon/api/json_writer.h"

namespace qwend {

namespace {

/// As OpenAI's list has them; a client knows what to do with these alone.
std::string_view error_code(const ApiError& error) {
    if (error.code == "context_length_exceeded") return error.code;
    return error.status == 429 ? "rate_limit_exceeded" : "server_error";
}

}  // namespace

std::string make_response_id() {
    std::array<uint64_t, 2> random{};
    (void)!getrandom(random.data(), sizeof random, 0);
    return fmt::format("{:016x}{:016x}", random[0], random[1]);
}

std::string response_head(const std::string& id, const ResponseStyle& style) {
    JsonWriter w;
    w.begin_object().key("id").string(id).key("object").string("response");
    w.key("created_at").integer(std::time(nullptr)).key("model").string(style.model);
    return w.take() + style.echo + ",\"output\":[";
}

std::string response_tail(const ResponseEnd& end, const Usage* usage) {
    JsonWriter w;
    w.begin_object().key("status").string(end.status).key("error");
    if (end.error)
        w.begin_object()
            .key("code")
            .string(error_code(*end.error))
            .key("message")
            .string(end.error->message)
            .end_object();
    else
        w.null();
    w.key("incomplete_details");
    if (!end.incomplete_reason.empty())
        w.begin_object().key("reason").string(end.incomplete_reason).end_object();
    else
        w.null();
    w.key("usage").raw(
        usage ? fmt::format(
                    R"({{"input_tokens":{},"input_tokens_details":{{"cached_tokens":{},)"
                    R"("cache_write_tokens":0}},"output_tokens":{},)"
                    R"("output_tokens_details":{{"reasoning_tokens":{}}},"total_tokens":{}}})",
                    usage->prompt_tokens, usage->cached_tokens, usage->completion_tokens,
                    usage->reasoning_tokens, usage->prompt_tokens + usage->completion_tokens)
              : "null");
    w.end_object();
    std::string members = w.take();
    members[0] = ',';
    return ']' + members;
}

}  // namespace qwend
