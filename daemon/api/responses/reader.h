#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/openai/reader.h"
#include "daemon/api/responses/request.h"
#include "daemon/api/unknown_fields.h"

namespace qwend {

/// Reads fields of a request into it. `base` reads what chat has too.
class ResponseReader {
  public:
    ResponseReader(const RequestLimits& limits, ResponseRequest& read_into)
        : base(limits, read_into.base),
          read(base.read),
          generation(read_into.base.generation),
          style(read_into.style) {}

    bool tools(const JsonValue& value);
    /// A conversation's next items, be they new or stored: a string or an array.
    bool items(const std::string& param, const JsonValue& value);
    /// The conversation: instructions, what was before, and the request's own input.
    bool conversation(const ResponseTable& stored);

    RequestReader base;
    FieldReader& read;       // base's
    Generation& generation;  // the request's
    ResponseStyle& style;    // the request's
    // Settled once all fields are read.
    std::string instructions;
    std::optional<JsonValue> input;
    std::map<std::string_view, std::string> echoed;  // fields, as they were given
    int top_logprobs = -1;
    bool wants_logprobs = false;

  private:
    bool previous(const ResponseTable& stored);
    bool item(const std::string& at, const JsonValue& item);
    bool message(const std::string& at, const JsonValue& item);
    bool call(const std::string& at, const JsonValue& item, bool custom);
    bool call_output(const std::string& at, const JsonValue& item);
    bool add(ChatMessage message);
    void note_unknown(std::string_view name) {
        note_unknown_field(name, base.request.n_unknown_fields, base.request.unknown_fields);
    }
    bool add_tool(const std::string& at, const JsonValue& tool, const std::string& name_space);
    bool add_name(const std::string& at, const JsonValue& tool, const std::string& name_space,
                  ResponseTool::Kind kind);

    void think(const JsonValue& item);
    void join(ChatMessage& turn);

    std::string thoughts_;  // of the assistant, before its next message or call
    bool in_turn_ = false;  // the last message is the assistant's, and the next items may join it
};

/// The name by which a model knows a tool of a namespace.
std::string called_name(const std::string& name_space, const std::string& name);

}  // namespace qwend
