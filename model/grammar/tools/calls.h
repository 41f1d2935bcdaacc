#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/grammar/grammar.h"
#include "model/grammar/schema/schema.h"
#include "model/grammar/tools/free_text.h"

namespace qwend::grammar {

/// A function that a model may call.
struct Tool {
    enum class Arguments : uint8_t {
        any,           // any object
        valid_if_can,  // what the schema says, or any object where no grammar can say that
        valid,         // what the schema says
    };
    std::string name;
    std::string schema{};  // JSON Schema of its arguments; "": none, as {}
    Arguments arguments = Arguments::any;
    /// Of a parameter, bits of types: for what a reader takes its value where that is bare text; of
    /// one that is missing here, for anything.
    std::map<std::string, uint8_t> read_types{};
};

/// A tool that cannot be had.
struct ToolError : GrammarError {
    ToolError(size_t number, const std::string& why) : GrammarError(why), tool(number) {}
    size_t tool;
};

enum class CallFormat : uint8_t {
    hermes,       // Qwen2.5's: <tool_call>{"name":…,"arguments":{…}}</tool_call>
    qwen3_coder,  // <tool_call><function=…><parameter=…>…</parameter></function></tool_call>
};

/// How a model is to call its tools.
struct CallRules {
    std::vector<Tool> tools;
    CallFormat format = CallFormat::hermes;
    Tag open{"<tool_call>"}, close{"</tool_call>"};
    bool required = false;  // there is at least one call, and no text
    bool only_one = false;  // there is at most one call, and nothing behind it
    /// Text must not begin so, white space aside; "": it may begin as it likes.
    std::string no_beginning{};
    SchemaOptions schema{};
};

/// Calls, unless they are required with free text before, between and behind them, in which no call
/// can be found; or else, where there is one, what `answer` says, without text and calls. Among
/// text a call may also stand without its tags: in Qwen2.5's form before all text, in a fenced
/// block or alone, as Qwen2.5-Coder has it; in Qwen3-Coder's anywhere. Throws GrammarError;
/// ToolError for what is wrong with a tool. To be checked when the grammar is finished:
/// check_tools().
struct CallNodes {
    NodeId root = kNoNode;
    std::vector<NodeId> arguments;  // of each tool
};
CallNodes add_calls(Grammar& grammar, const CallRules& rules, NodeId answer = kNoNode);

/// Throws ToolError for the first tool that nothing can be called with; after Grammar::finish().
void check_tools(const Grammar& grammar, const CallRules& rules, const CallNodes& nodes);

}  // namespace qwend::grammar
