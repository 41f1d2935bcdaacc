#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/byte_queue.h"
#include "daemon/api/openai/logprobs.h"
#include "daemon/api/responses/output_item.h"

namespace qwend {

/// The events of a stream, numbered from 0. Logprobs go with the text they come with, and are not
/// repeated by the events that end an item. Source: OpenAI's API reference, "Streaming events".
class ItemEvents {
  public:
    explicit ItemEvents(LogprobStyle logprob_style) : logprob_style_(logprob_style) {}

    /// response.`name` with the object, which is in parts.
    void lifecycle(ByteQueue& out, std::string_view name, const ByteQueue::Shared& head,
                   std::string_view output, std::string_view tail);

    void begin(ByteQueue& out, const OutputItem& item);
    /// More of a message, or of reasoning: text as JSON without quotes, and the tokens that came
    /// with it.
    void text(ByteQueue& out, const OutputItem& item, std::string_view text,
              const std::vector<PlacedToken>& tokens);
    /// More of a call's arguments, as JSON without quotes.
    void arguments(ByteQueue& out, const OutputItem& item, std::string_view text);
    void end(ByteQueue& out, const OutputItem& item, std::string_view status);

  private:
    std::string opened(std::string_view name);
    std::string opened(std::string_view name, const OutputItem& item);
    void item_event(ByteQueue& out, std::string_view name, const OutputItem& item,
                    std::string_view status);
    void end_part(ByteQueue& out, const OutputItem& item);

    const LogprobStyle logprob_style_;
    int next_ = 0;  // the number of the next event
};

}  // namespace qwend
