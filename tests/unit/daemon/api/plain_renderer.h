#pragma once

#include <string>
#include <utility>

#include "daemon/api/answer_renderer.h"

namespace qwend {

/// A dialect made up for tests. Writes choice by choice "0<text>0<text>1<text>", and a full stop at
/// the end.
class PlainRenderer final : public AnswerRenderer {
  public:
    explicit PlainRenderer(bool is_stream)
        : AnswerRenderer(is_stream ? AnswerForm{true, "text/x-stream", "~"}
                                   : AnswerForm{false, "text/x-document", {}}) {}

    bool write(Choices& choices, ByteQueue& out) override {
        n_calls++;
        for (int i = 0; i < choices.size(); i++)
            if (const std::string text = choices.at(i).take().text; !text.empty())
                out.append(std::to_string(i) + text);
        if (choices.done() && !choices.at(0).abandoned() && !std::exchange(ended_, true))
            out.append(".");
        return stops_before_last-- <= 0;
    }
    size_t n_waiting() const override { return waiting_bytes; }
    std::string error_event(const ApiError& error) override { return "!" + error.message; }

    size_t waiting_bytes = 0;
    int stops_before_last = 0;  // calls that say they stopped before the last choice
    int n_calls = 0;            // of write()

  private:
    bool ended_ = false;
};

}  // namespace qwend
