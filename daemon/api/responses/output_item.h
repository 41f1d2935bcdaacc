#pragma once

#include <string>
#include <string_view>

#include "daemon/api/responses/request.h"

namespace qwend {

/// An item of a response's output, as far as it has come.
struct OutputItem {
    enum class Kind { message, reasoning, function_call, custom_tool_call };
    Kind kind = Kind::message;
    int index = 0;        // in the output
    std::string id;       // the same wherever the item is named
    std::string call_id;  // of a call, as are those below
    std::string name_space, name;
    std::string arguments;  // as the model wrote them
    std::string text;  // a message's or reasoning's text, a call's arguments, a tool's input: as
                       // JSON, without quotes
};

/// The item as JSON; `status`: in_progress, completed or incomplete. One that has just begun has no
/// content yet.
void append_item(std::string& out, const OutputItem& item, std::string_view status);

/// The part that a message's or reasoning's content is: its text is JSON without quotes.
void append_part(std::string& out, OutputItem::Kind kind, std::string_view text);

/// Whether it is text, in a part of its content, and not a call.
inline bool has_part(const OutputItem& item) {
    return item.kind == OutputItem::Kind::message || item.kind == OutputItem::Kind::reasoning;
}

/// What a custom tool is to get: the one string of its arguments; if there is none, all of them.
std::string custom_input(const std::string& arguments);

/// Whether a call has all of its arguments: one that the end cuts has not.
bool has_all_arguments(const OutputItem& item);

}  // namespace qwend
