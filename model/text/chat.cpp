#include "model/text/chat.h"

#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <optional>

#include "model/json_document.h"
#include "model/text/jinja/from_json.h"
#include "model/text/jinja/value.h"

namespace qwend {

namespace {

using jinja::Value;

/// Stands behind the content that is to be continued, so that the prompt can be cut there; the
/// space at its end tells whether the template takes away white space.
constexpr std::string_view kContinued = "CONTINUE_FINAL_MESSAGE_TAG ";

/// What cannot be rendered, and where it is in the request.
struct Refusal {
    std::string error, param;
};

/// Makes a conversation the variables of a template.
class VariablesBuilder {
  public:
    VariablesBuilder(const ChatTemplate& chat_template, const ChatOptions& options,
                     jinja::Workspace& work)
        : chat_template_(chat_template), options_(options), work_(work) {
        for (const char* literal : {"'developer'", "\"developer\""})
            knows_developer_ |= chat_template.text.find(literal) != std::string::npos;
    }

    /// Throws Refusal, or jinja::Failure where a bound is met.
    jinja::Variables build(const std::vector<ChatMessage>& messages);

  private:
    Value message(const ChatMessage& message, size_t i, bool is_continued);
    Value tool_calls(const ChatMessage& message, size_t i);
    void add_fields();
    void add_kwargs();
    Value parsed(std::string_view json, const char* what, const std::string& param);
    Value ours(std::string_view text) { return make_ours(work_, text); }
    Value data(std::string_view text) { return make_data(work_, text); }
    void add(std::string_view name, Value value) {
        out_.values.emplace_back(std::string(name), value);
    }

    const ChatTemplate& chat_template_;
    const ChatOptions& options_;
    jinja::Workspace& work_;
    bool knows_developer_ = false;  // by name; else it takes developers for the system
    jinja::Variables out_;
};

Value VariablesBuilder::parsed(std::string_view json, const char* what, const std::string& param) {
    JsonDocument document;
    if (document.parse(json)) throw Refusal{what, param};
    return jinja::from_json(work_, document.root());
}

/// Templates take arguments for an object, whatever the API has them as.
Value VariablesBuilder::tool_calls(const ChatMessage& message, size_t i) {
    std::vector<Value> calls;
    for (const ChatToolCall& call : message.tool_calls) {
        const Value arguments =
            parsed(call.arguments, "expected valid JSON",
                   fmt::format("messages[{}].tool_calls[{}].function.arguments", i, calls.size()));
        const Value function = make_dict_value(
            work_, {{ours("name"), data(call.name)}, {ours("arguments"), arguments}});
        std::vector<jinja::Member> members = {{ours("type"), ours("function")},
                                              {ours("function"), function}};
        if (!call.id.empty()) members.insert(members.begin(), {ours("id"), data(call.id)});
        calls.push_back(make_dict_value(work_, std::move(members)));
    }
    return make_sequence(work_, jinja::Type::list, calls);
}

/// Roles are one of a few, so they may be a part of a control token that the template spells.
Value VariablesBuilder::message(const ChatMessage& message, size_t i, bool is_continued) {
    const bool is_renamed = message.role == "developer" && !knows_developer_;
    std::string content = message.content;
    if (is_continued) content += kContinued;
    std::vector<jinja::Member> members = {
        {ours("role"), ours(is_renamed ? "system" : message.role)},
        {ours("content"), data(content)}};
    if (!message.reasoning.empty())
        for (const char* name : {"reasoning_content", "reasoning", "thinking"})
            members.push_back({ours(name), data(message.reasoning)});
    if (!message.tool_calls.empty())
        members.push_back({ours("tool_calls"), tool_calls(message, i)});
    if (!message.tool_call_id.empty())
        members.push_back({ours("tool_call_id"), data(message.tool_call_id)});
    if (!message.name.empty()) members.push_back({ours("name"), data(message.name)});
    return make_dict_value(work_, std::move(members));
}

/// What a request has fields for, though most templates know nothing of it.
void VariablesBuilder::add_fields() {
    if (!options_.reasoning_effort.empty())
        add("reasoning_effort", data(options_.reasoning_effort));
    if (!options_.documents.empty())
        add("documents", parsed(options_.documents, "not valid JSON", "documents"));
}

/// The client's own variables, but for those that the request has a field for.
void VariablesBuilder::add_kwargs() {
    if (options_.template_kwargs.empty()) return;
    JsonDocument document;
    if (document.parse(options_.template_kwargs))
        throw Refusal{"not valid JSON", "chat_template_kwargs"};
    for (const JsonMember& member : document.root().members())
        if (member.key != "messages" && member.key != "tools" && member.key != "chat_template")
            add(member.key, jinja::from_json(work_, member.value));
}

jinja::Variables VariablesBuilder::build(const std::vector<ChatMessage>& messages) {
    for (const auto& [name, token] : chat_template_.special_tokens) add(name, ours(token));
    add_fields();
    add_kwargs();
    std::vector<Value> rendered;
    for (size_t i = 0; i < messages.size(); i++)
        rendered.push_back(
            message(messages[i], i, options_.continue_final_message && i + 1 == messages.size()));
    add("messages", make_sequence(work_, jinja::Type::list, rendered));
    std::vector<Value> tools;
    for (const std::string& tool : options_.tools)
        tools.push_back(parsed(tool, "not valid JSON", fmt::format("tools[{}]", tools.size())));
    add("tools", tools.empty() ? Value::none() : make_sequence(work_, jinja::Type::list, tools));
    add("add_generation_prompt",
        Value::boolean(options_.add_generation_prompt && !options_.continue_final_message));
    if (options_.continue_final_message) add("continue_final_message", Value::boolean(true));
    out_.now = std::time(nullptr);
    return std::move(out_);
}

/// Ends the prompt where the last message's content does. False if the template left that out.
bool cut_at_continuation(RenderedPrompt& prompt) {
    const size_t at = prompt.text.rfind(kContinued.substr(0, kContinued.size() - 1));
    if (at == std::string::npos) return false;
    const bool is_stripped = prompt.text.compare(at, kContinued.size(), kContinued) != 0;
    prompt.text.resize(at);
    if (is_stripped) prompt.text.erase(prompt.text.find_last_not_of(" \t\r\n\f\v") + 1);
    auto& spans = prompt.control_spans;
    while (!spans.empty() && spans.back().begin >= prompt.text.size()) spans.pop_back();
    if (!spans.empty()) spans.back().end = std::min(spans.back().end, prompt.text.size());
    return true;
}

std::optional<Refusal> check(const ChatTemplate& chat_template,
                             const std::vector<ChatMessage>& messages, const ChatOptions& options) {
    if (!chat_template.is_usable() && chat_template.error.empty())
        return Refusal{"this checkpoint has no chat template; use /v1/completions", "messages"};
    if (!chat_template.is_usable())
        return Refusal{fmt::format("this checkpoint's chat template cannot be used ({}); use "
                                   "/v1/completions",
                                   chat_template.error),
                       "messages"};
    if (messages.empty()) return Refusal{"expected at least one message", "messages"};
    if (!options.tools.empty() && !chat_template.parsed->mentions("tools"))
        return Refusal{"this checkpoint's chat template has no tools", "tools"};
    if (!options.documents.empty() && !chat_template.parsed->mentions("documents"))
        return Refusal{"this checkpoint's chat template shows no documents", "documents"};
    for (size_t i = 0; i < messages.size(); i++) {
        const std::string& role = messages[i].role;
        const auto known = {"system", "developer", "user", "assistant", "tool"};
        if (std::find(known.begin(), known.end(), role) == known.end())
            return Refusal{
                fmt::format("expected system, user, assistant or tool, found \"{}\"", role),
                fmt::format("messages[{}].role", i)};
    }
    return std::nullopt;
}

RenderedPrompt render(const ChatTemplate& chat_template, const std::vector<ChatMessage>& messages,
                      const ChatOptions& options) {
    if (auto refusal = check(chat_template, messages, options)) throw std::move(*refusal);
    jinja::Workspace work;
    const auto variables = VariablesBuilder(chat_template, options, work).build(messages);
    jinja::Rendering rendering = jinja::render(*chat_template.parsed, variables, work);
    if (rendering.is_raised) throw Refusal{std::move(rendering.error), "messages"};
    if (!rendering.error.empty())
        throw Refusal{
            fmt::format("the chat template failed in line {}: {}", rendering.line, rendering.error),
            "messages"};
    RenderedPrompt prompt{std::move(rendering.text), {}};
    for (const jinja::Range range : rendering.ours)
        prompt.control_spans.push_back({range.begin, range.end});
    if (options.continue_final_message && !cut_at_continuation(prompt))
        throw Refusal{"the chat template does not show the last message, so it cannot be continued",
                      "continue_final_message"};
    return prompt;
}

}  // namespace

RenderResult render_chat(const ChatTemplate& chat_template,
                         const std::vector<ChatMessage>& messages, const ChatOptions& options) {
    const ChatTemplate& chosen =
        chat_template.tool_use && !options.tools.empty() ? *chat_template.tool_use : chat_template;
    try {
        return {render(chosen, messages, options), {}, {}};
    } catch (Refusal& refusal) {
        return {{}, std::move(refusal.error), std::move(refusal.param)};
    } catch (jinja::Failure& failure) {
        return {{}, std::move(failure.message), "messages"};
    }
}

}  // namespace qwend
