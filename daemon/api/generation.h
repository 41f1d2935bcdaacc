#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/api/bad_words.h"
#include "daemon/api/output_form.h"
#include "model/config.h"
#include "model/sampling.h"
#include "model/text/chat.h"

namespace qwend {

/// Where a model goes on from: text, or token ids.
using Prompt = std::variant<std::string, std::vector<int32_t>>;

/// For truncate_prompt_tokens: as many as the context holds beside what may be generated.
inline constexpr int kToContext = -1;

/// What is to be generated, in no dialect: a dialect makes it of a request, and renders what comes
/// of it. Numbers are in range; what needs the context's length is checked later.
struct Generation {
    // What to go on from: a conversation, or else prompts, each of which gets its own choices.
    std::vector<ChatMessage> messages;
    ChatOptions chat_options;        // its tools are those that may be called
    std::vector<OfferedTool> tools;  // the same ones, in the same order
    bool calls_required = false;     // of one of them at least
    std::string called_tool;         // the only one that may be called, once; "": any
    std::vector<Prompt> prompts;
    std::string suffix;  // what is generated fills the gap between a prompt and this; "": no gap
    std::string prompt_field = "prompt";     // of the request, for errors
    std::optional<bool> add_special_tokens;  // of the tokenizer; absent: to prompts, not to chats
    std::optional<int> truncate_prompt_tokens;  // the last ones are kept; or kToContext

    SamplingParams sampling;  // its seed and stop_token_ids are set once the model is known
    std::optional<uint64_t> seed;
    int n = 1;                      // choices of each prompt
    int best_of = 0;                // candidates that these are the likeliest of; 0: n
    std::optional<int> max_tokens;  // absent: what the context holds; 0: only the prompt is wanted
    bool clips_max_tokens = false;  // more than the context holds is not asked for, only allowed
    std::vector<std::string> stops;
    std::vector<int32_t> stop_token_ids;  // the client's; EOS is added by who knows the model
    std::optional<OutputForm> form;       // that the answer has to have, until it is compiled
    std::string form_field;               // of the request, that asked for it
    std::vector<std::string> bad_words;   // that are not to be written
    /// Those that are more than one token, and may only be written in part; nullptr: none is. Set
    /// once the model is known, as the bias of those that are one.
    std::shared_ptr<const BannedSequences> banned;
    bool include_stop = false, ignore_eos = false, skip_special_tokens = true;
    bool parallel_tool_calls = true;   // false: at most one call in a choice
    bool untagged_calls = true;        // false: what looks like a call without its tags is text
    bool split_reasoning = true;       // false: reasoning is text, with its tags
    bool begins_in_reasoning = false;  // the prompt ends there; set once it is rendered

    // What to report of it, besides text and, with sampling.n_logprobs, logprobs.
    bool echo = false;              // a prompt's text before each of its choices
    int n_prompt_logprobs = -1;     // of prompts, as sampling.n_logprobs of what is sampled
    bool return_token_ids = false;  // of prompts and choices
    bool whole_calls = false;       // a call once it is complete; one that the end cuts is text

    int priority = 0;  // lower runs first
    std::string cache_salt;
};

/// What the checkpoint says of sampling, which holds for what a request leaves open.
void apply_defaults(const GenerationDefaults& defaults, SamplingParams& sampling);

}  // namespace qwend
