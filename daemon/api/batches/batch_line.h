#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "daemon/api/batches/batch_record.h"
#include "net/http.h"

namespace qwend {

/// One request of a batch.
struct BatchLine {
    std::string custom_id;
    std::string body;      // JSON
    bool streams = false;  // it asks for a stream, which nobody would read
};

/// Reads a line of an input, whose requests are all for `endpoint`; or says what is wrong with it.
std::variant<BatchLine, BatchError> read_batch_line(std::string_view text,
                                                    std::string_view endpoint);

/// A line of an output, with its end: what a request was answered.
std::string answered_line(std::string_view custom_id, std::string_view request_id,
                          const HttpResponse& response);
/// The same of a request that was never made.
std::string unmade_line(std::string_view custom_id, std::string_view request_id,
                        std::string_view code, std::string_view message);

/// What a line of an output is about; nothing if it is none.
struct AnsweredLine {
    std::string custom_id;
    bool was_made = false;
};
std::optional<AnsweredLine> read_answered_line(std::string_view text);

}  // namespace qwend
