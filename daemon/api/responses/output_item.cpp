#include "daemon/api/responses/output_item.h"

#include <fmt/format.h>

#include <iterator>

#include "daemon/api/json_writer.h"
#include "model/json_document.h"

namespace qwend {

namespace {

const char* type_of(OutputItem::Kind kind) {
    switch (kind) {
        case OutputItem::Kind::message:
            return "message";
        case OutputItem::Kind::reasoning:
            return "reasoning";
        case OutputItem::Kind::function_call:
            return "function_call";
        case OutputItem::Kind::custom_tool_call:
            return "custom_tool_call";
    }
    return "";
}

}  // namespace

void append_part(std::string& out, OutputItem::Kind kind, std::string_view text) {
    out.append(kind == OutputItem::Kind::reasoning
                   ? R"({"type":"reasoning_text","text":")"
                   : R"({"type":"output_text","annotations":[],"logprobs":[],"text":")");
    out.append(text).append("\"}");
}

void append_item(std::string& out, const OutputItem& item, std::string_view status) {
    fmt::format_to(std::back_inserter(out), R"({{"id":"{}","type":"{}")", item.id,
                   type_of(item.kind));
    if (has_part(item)) {
        const bool is_message = item.kind == OutputItem::Kind::message;
        out.append(is_message ? R"(,"role":"assistant","content":[)"
                              : R"(,"summary":[],"content":[)");
        if (status != "in_progress") append_part(out, item.kind, item.text);
        out += ']';
    } else {
        const bool custom = item.kind == OutputItem::Kind::custom_tool_call;
        out.append(R"(,"call_id":")").append(item.call_id).append(R"(","name":)");
        append_json_string(out, item.name);
        if (!item.name_space.empty()) {
            out += ",\"namespace\":";
            append_json_string(out, item.name_space);
        }
        out.append(custom ? ",\"input\":\"" : ",\"arguments\":\"").append(item.text) += '"';
    }
    out.append(",\"status\":\"").append(status).append("\"}");
}

std::string custom_input(const std::string& arguments) {
    JsonDocument document;
    std::string input;
    if (document.parse(arguments)) return arguments;
    if (const auto given = document.root().member("input"); given && given->get(input))
        return input;
    return arguments;
}

bool has_all_arguments(const OutputItem& item) {
    JsonDocument document;
    return !document.parse(item.arguments);
}

}  // namespace qwend
