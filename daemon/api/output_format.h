#pragma once

#include <string_view>

namespace qwend {

// What is written around thoughts and calls, whichever format has them.
inline constexpr std::string_view kThinkOpen = "<think>", kThinkClose = "</think>";
inline constexpr std::string_view kCallOpen = "<tool_call>", kCallClose = "</tool_call>";

/// How a model's answers hold what it thinks before it answers.
enum class ReasoningFormat {
    none,   // not at all, or nobody wants it apart
    think,  // <think>…</think> before the answer; the prompt may have opened it already
};

/// How a model's answers hold calls of tools.
enum class ToolFormat {
    none,         // not at all: an answer is its text
    hermes,       // <tool_call>{"name":…,"arguments":{…}}</tool_call>: Qwen2.5, Qwen3; or, as
                  // Qwen2.5-Coder has it, in a fenced block or alone
    qwen3_coder,  // <tool_call><function=…><parameter=…>…: Qwen3-Coder, Qwen3.5
};

struct OutputFormat {
    ReasoningFormat reasoning = ReasoningFormat::none;
    ToolFormat tools = ToolFormat::hermes;
};

/// The format that a chat template teaches, by the tags it mentions: it shows a model its earlier
/// calls and thoughts as it is to write the next ones, and how to write a call. Never an error:
/// without a tag that is known here, answers are text.
OutputFormat output_format_of(std::string_view template_text);

/// `found`, but what the operator has named otherwise: options' values, "auto" for what was found.
OutputFormat chosen_format(OutputFormat found, std::string_view reasoning_format,
                           std::string_view tool_format);

/// Whether a rendered prompt ends within reasoning, so that the answer goes on with it: its last
/// word is <think>, as templates of models that always think have it. An empty block, which is how
/// templates keep a model from thinking, ends with its closing tag.
bool ends_in_reasoning(std::string_view prompt);

}  // namespace qwend
