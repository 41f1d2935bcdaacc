// Conversations at both templates, a message a line, and templates' sources: what is rendered says
// where the template wrote control tokens, and nothing takes more than so much time a byte.

#include <cstdint>
#include <string>
#include <vector>

#include "model/text/chat.h"
#include "model/text/jinja_source.h"
#include "tests/fuzz/cost.h"

using namespace qwend;

namespace {

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

void check(const RenderResult& result, const std::vector<ChatMessage>& messages, bool continued) {
    if (!result.error.empty()) {
        if (result.error_param.empty() || !result.prompt.text.empty()) std::abort();
        return;
    }
    const std::string_view text = result.prompt.text;
    size_t at = 0;
    for (ControlSpan span : result.prompt.control_spans) {
        if (span.begin < at || span.end <= span.begin || span.end > text.size()) std::abort();
        if (text[span.begin] != '<' || text[span.end - 1] != '>') std::abort();
        at = span.end;
    }
    if (!text.starts_with("<|im_start|>system\n")) std::abort();
    if (continued && !text.ends_with(messages.back().content)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string text = amplified({reinterpret_cast<const char*>(data), size});
    within_cost("recognize", text.size(), [&] { (void)recognize_chat_template(text); });
    std::vector<ChatMessage> messages;
    ChatOptions options;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        read_line(std::string_view(text).substr(at, end - at), messages, options);
        at = end + 1;
    }
    for (auto kind : {ChatTemplate::qwen2, ChatTemplate::qwen2_5})
        for (bool continued : {false, true}) {
            options.continue_final_message = continued;
            RenderResult result;
            within_cost("render", text.size(), [&] {
                result = render_chat({kind, "Be brief.", nullptr}, messages, options);
            });
            check(result, messages, continued);
        }
    return 0;
}
