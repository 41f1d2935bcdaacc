#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/api/api_error.h"
#include "daemon/api/byte_queue.h"
#include "daemon/api/choices.h"

namespace qwend {

/// How the bytes of an answer travel.
struct AnswerForm {
    /// Events, each sent as soon as it is there; else a document, which is sent as a whole unless
    /// it is large.
    bool is_stream = false;
    const char* content_type = "application/json";
    std::string_view ping = {};  // of a stream: bytes between events that say nothing
};

/// Writes one answer in a dialect. An abstract class, though the house has few: what was written so
/// far is state of each answer and differs by dialect, and a struct of functions over that state
/// would be this one, spelt out.
class AnswerRenderer {
  public:
    /// What a call of write() has to give at least, if there is so much: more would keep the loop.
    static constexpr size_t kEnoughBytes = 128 << 10;

    explicit AnswerRenderer(AnswerForm answer_form) : form(answer_form) {}
    AnswerRenderer(const AnswerRenderer&) = delete;
    virtual ~AnswerRenderer() = default;

    /// Takes what has come to the choices and appends what can be sent of it, choice by choice
    /// until it is enough: a call costs what is new, not what there is. False if it stopped before
    /// the last one, or with more to make of what can be sent later. The answer has its end once
    /// all of them are done, and none if one was abandoned.
    virtual bool write(Choices& choices, ByteQueue& out) = 0;
    /// Bytes of a document that wait until the choices before theirs are complete.
    virtual size_t n_waiting() const { return 0; }
    /// What a stream that has begun says of an error, as its last event.
    virtual std::string error_event(const ApiError& error) = 0;

    const AnswerForm form;
};

/// Makes the renderer of an answer whose prompts are known. Any thread; where prompts are long,
/// what is repeated of them is written here, beside the loop.
using MakeRenderer = std::function<std::unique_ptr<AnswerRenderer>(const Choices& choices)>;

}  // namespace qwend
