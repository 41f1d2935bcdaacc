#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/byte_queue.h"
#include "daemon/api/openai/logprobs.h"
#include "daemon/api/responses/output_item.h"

namespace qwend {

/// The elements of a document's output. The largest part of a message, its logprobs, comes before
/// its text, so that it can be sent early.
class ItemDocument {
  public:
    explicit ItemDocument(LogprobStyle logprob_style) : logprob_style_(logprob_style) {}

    // As ItemEvents'.
    void begin(ByteQueue& out, const OutputItem& item);
    void text(ByteQueue& out, const OutputItem& item, std::string_view text,
              const std::vector<PlacedToken>& tokens);
    void arguments(ByteQueue&, const OutputItem&, std::string_view) {}
    void end(ByteQueue& out, const OutputItem& item, std::string_view status);

  private:
    const LogprobStyle logprob_style_;
    bool has_logprobs_ = false;  // in the message that has begun
};

}  // namespace qwend
