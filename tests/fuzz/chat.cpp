// Conversations at templates of two families, a message a line: what is rendered says what of it
// the template wrote, in which no message has a word, and nothing takes more than so much time a
// byte.

#include <cstdint>
#include <string>
#include <vector>

#include "model/text/chat.h"
#include "tests/fuzz/cost.h"

using namespace qwend;

namespace {

constexpr const char* kTurns =
    "{%- if tools %}{{- '<tools>' }}{% for tool in tools %}{{- tool | tojson }}{% endfor %}"
    "{{- '</tools>' }}{% endif %}"
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content }}"
    "{%- for call in message.tool_calls %}{{- '<tool_call>' ~ call.function.arguments | tojson }}"
    "{%- endfor %}{{- '<|im_end|>\\n' }}{% endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}";

constexpr const char* kReasoning =
    "{%- set ns = namespace(last=0) %}{% for message in messages[::-1] %}{% if message.role == "
    "'user' %}{% set ns.last = loop.revindex0 %}{% break %}{% endif %}{% endfor %}"
    "{%- for message in messages %}{% set content = message.content | trim %}"
    "{%- if '</think>' in content %}{% set content = content.split('</think>')[-1].lstrip('\\n') %}"
    "{%- endif %}<|{{ message.role | upper }}|>{{ content }}{% for call in message.tool_calls %}"
    "{%- for name, value in call.function.arguments | items %}{{ name }}={{ value }}{% endfor %}"
    "{%- endfor %}{{ tools | length if tools else '' }}{% endfor %}";

/// s system, u user, a assistant, t tool; c a call with these arguments; f a tool.
void read_line(std::string_view line, std::vector<ChatMessage>& messages, ChatOptions& options) {
    if (line.empty()) return;
    const std::string rest(line.substr(1));
    switch (line[0]) {
        case 's':
            return messages.push_back({"system", rest, {}});
        case 'a':
            return messages.push_back({"assistant", rest, {}});
        case 't':
            return messages.push_back({"tool", rest, {}});
        case 'c':
            if (messages.empty() || messages.back().role != "assistant")
                messages.push_back({"assistant", "", {}});
            return messages.back().tool_calls.push_back({"name", rest});
        case 'f':
            return options.tools.push_back(rest);
        default:
            return messages.push_back({"user", rest, {}});
    }
}

void check(const RenderResult& result) {
    const std::string_view text = result.prompt.text;
    if (!result.error.empty()) {
        if (result.error_param.empty() || !text.empty()) std::abort();
        return;
    }
    size_t at = 0;
    for (ControlSpan span : result.prompt.control_spans) {
        if (span.begin < at || span.end <= span.begin || span.end > text.size()) std::abort();
        at = span.end;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const ChatTemplate templates[] = {parse_chat_template(kTurns),
                                             parse_chat_template(kReasoning)};
    const std::string text = amplified({reinterpret_cast<const char*>(data), size});
    std::vector<ChatMessage> messages;
    ChatOptions options;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        read_line(std::string_view(text).substr(at, end - at), messages, options);
        at = end + 1;
    }
    for (const ChatTemplate& chat_template : templates) {
        if (!chat_template.is_usable()) std::abort();
        for (bool continued : {false, true}) {
            options.continue_final_message = continued;
            within_cost("render", text.size(),
                        [&] { check(render_chat(chat_template, messages, options)); });
        }
    }
    return 0;
}
