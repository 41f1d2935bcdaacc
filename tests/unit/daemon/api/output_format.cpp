// What a template's text says of the answers.

#include "daemon/api/output_format.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/demo_text.h"

using namespace qwend;

TEST_CASE("output_format: tags that a template mentions") {
    struct Case {
        const char* text;
        ReasoningFormat reasoning;
        ToolFormat tools;
    };
    for (const Case& c : std::vector<Case>{
             {"", ReasoningFormat::none, ToolFormat::none},
             {"{{ messages[0].content }} call.arguments", ReasoningFormat::none, ToolFormat::none},
             {R"(within <tool_call></tool_call>: {"name": x, "arguments": y})",
              ReasoningFormat::none, ToolFormat::hermes},
             {R"({{- "<tool_call>\n{\"name\": x, \"arguments\": y}\n</tool_call>" }})",
              ReasoningFormat::none, ToolFormat::hermes},
             {R"({{ '<think>\n\n</think>\n\n' }} <tool_call> "arguments")", ReasoningFormat::think,
              ToolFormat::hermes},
             {"content.split('</think>')[-1]", ReasoningFormat::think, ToolFormat::none},
             {"<tool_call>\n<function=f>\n<parameter=p>\n \"arguments\"", ReasoningFormat::none,
              ToolFormat::qwen3_coder},
             // Other families' tags and forms.
             {"<seed:tool_call>\n<function=f>\n<parameter=p>", ReasoningFormat::none,
              ToolFormat::none},
             {"<tool_call>{name}\n<arg_key>", ReasoningFormat::none, ToolFormat::none}}) {
        CAPTURE(c.text);
        const OutputFormat found = output_format_of(c.text);
        CHECK(found.reasoning == c.reasoning);
        CHECK(found.tools == c.tools);
    }
}

TEST_CASE("output_format: the operator's word counts") {
    const OutputFormat found{ReasoningFormat::think, ToolFormat::hermes};
    CHECK(chosen_format(found, "auto", "auto").reasoning == ReasoningFormat::think);
    CHECK(chosen_format(found, "auto", "auto").tools == ToolFormat::hermes);
    CHECK(chosen_format(found, "none", "qwen3-coder").reasoning == ReasoningFormat::none);
    CHECK(chosen_format(found, "none", "qwen3-coder").tools == ToolFormat::qwen3_coder);
    CHECK(chosen_format({}, "think", "none").reasoning == ReasoningFormat::think);
    CHECK(chosen_format({}, "think", "none").tools == ToolFormat::none);
}

TEST_CASE("output_format: a folder's template decides, unless an option does") {
    Options options;
    options.model = "tests/demo-model";
    CHECK(load_model_text(options).output_format.reasoning == ReasoningFormat::none);
    CHECK(load_model_text(options).output_format.tools == ToolFormat::hermes);
    options.reasoning_format = "think";
    options.tool_format = "qwen3-coder";
    CHECK(load_model_text(options).output_format.reasoning == ReasoningFormat::think);
    CHECK(load_model_text(options).output_format.tools == ToolFormat::qwen3_coder);
}

TEST_CASE("output_format: a prompt that ends within reasoning") {
    CHECK(ends_in_reasoning("<|im_start|>assistant\n<think>\n"));
    CHECK(ends_in_reasoning("<think>"));
    CHECK_FALSE(ends_in_reasoning("<|im_start|>assistant\n<think>\n\n</think>\n\n"));
    CHECK_FALSE(ends_in_reasoning("what is <think>?<|im_end|>\n<|im_start|>assistant\n"));
    CHECK_FALSE(ends_in_reasoning("what is <think><|im_end|>\n<|im_start|>assistant\n"));
    CHECK_FALSE(ends_in_reasoning("\n"));
    CHECK_FALSE(ends_in_reasoning(""));
}
