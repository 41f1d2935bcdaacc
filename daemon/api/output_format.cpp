#include "daemon/api/output_format.h"

namespace qwend {

OutputFormat output_format_of(std::string_view text) {
    const auto has = [&](std::string_view part) { return text.find(part) != text.npos; };
    OutputFormat format{ReasoningFormat::none, ToolFormat::none};
    if (has("<think>") || has("</think>")) format.reasoning = ReasoningFormat::think;
    if (!has("<tool_call>")) return format;
    // The quote that ends the word may be escaped: it stands in a literal of the template.
    if (has("<function=") && has("<parameter="))
        format.tools = ToolFormat::qwen3_coder;
    else if (has("\"arguments"))
        format.tools = ToolFormat::hermes;
    return format;
}

OutputFormat chosen_format(OutputFormat found, std::string_view reasoning_format,
                           std::string_view tool_format) {
    if (reasoning_format == "none") found.reasoning = ReasoningFormat::none;
    if (reasoning_format == "think") found.reasoning = ReasoningFormat::think;
    if (tool_format == "none") found.tools = ToolFormat::none;
    if (tool_format == "hermes") found.tools = ToolFormat::hermes;
    if (tool_format == "qwen3-coder") found.tools = ToolFormat::qwen3_coder;
    return found;
}

bool ends_in_reasoning(std::string_view prompt) {
    const size_t last = prompt.find_last_not_of(" \t\r\n");
    return last != prompt.npos && prompt.substr(0, last + 1).ends_with("<think>");
}

}  // namespace qwend
