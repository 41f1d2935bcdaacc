#pragma once

#include <string>

#include "daemon/api/anthropic/request.h"
#include "daemon/api/field_reader.h"
#include "daemon/api/tool_fields.h"

namespace qwend {

/// Reads fields of a request into it, as FieldReader does.
class MessagesReader {
  public:
    explicit MessagesReader(AnthropicRequest& read_into)
        : request(read_into), generation(read_into.generation), style(read_into.style) {}

    bool system(const JsonValue& value);
    bool messages(const JsonValue& value);
    bool tools(const JsonValue& value);
    bool tool_choice(const JsonValue& value);

    FieldReader read{0};  // there are no token ids in this dialect
    AnthropicRequest& request;
    Generation& generation;  // the request's
    AnthropicStyle& style;   // the request's
    // Fields that may come before those they belong to, settled once all are read.
    std::string system_text;
    ToolChoice choice;
};

}  // namespace qwend
