#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "daemon/api/answer_renderer.h"
#include "daemon/api/byte_queue.h"
#include "daemon/api/choices.h"
#include "daemon/api/openai/request.h"

namespace qwend {

// What chat and text completions are made of, be they streams or documents. All is JSON; a member
// is written after a comma.

/// {"id":…,"object":…,"created":…,"model":…,"system_fingerprint":… without the closing brace: every
/// event and every document begins so.
std::string answer_head(const OpenAiStyle& style);

/// Numbers with commas between them and what `out` has already.
void append_ids(std::string& out, std::span<const int32_t> ids);

/// prompt_token_ids; nullptr if they are not to be reported. As vLLM has them: a member of the
/// answer in chat, of every choice in completions.
ByteQueue::Shared prompt_ids_member(const Choices& choices, size_t prompt);

/// finish_reason and stop_reason of a choice that is done.
void append_end(std::string& out, const Choices& choices, int index);

std::string render_usage(const Usage& usage);

/// Server-sent events, or a document.
AnswerForm openai_form(const OpenAiStyle& style);

}  // namespace qwend
