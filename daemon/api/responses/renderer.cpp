#include "daemon/api/responses/renderer.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/api/json_writer.h"
#include "daemon/api/responses/item_document.h"
#include "daemon/api/responses/item_events.h"
#include "daemon/api/responses/object.h"
#include "net/sse.h"

namespace qwend {

namespace {

using StylePtr = std::shared_ptr<const ResponseStyle>;

AnswerForm form_of(const ResponseStyle& style) {
    if (!style.stream) return {};
    return {true, "text/event-stream; charset=utf-8", kSsePing};
}

const ApiError kAborted{503, "unavailable_error", "", "", "the server is shutting down"};

class ResponseRenderer final : public AnswerRenderer {
  public:
    ResponseRenderer(StylePtr style, std::shared_ptr<ResponseStore> store, const Choices& choices)
        : AnswerRenderer(form_of(*style)),
          style_(std::move(style)),
          store_(std::move(store)),
          digits_(make_response_id()),
          head_(std::make_shared<std::string>(response_head("resp_" + digits_, *style_))),
          items_(ItemDocument(logprob_style(choices))) {
        if (style_->stream) items_.emplace<ItemEvents>(logprob_style(choices));
    }

    bool write(Choices& choices, ByteQueue& out) override;
    std::string error_event(const ApiError& error) override;

  private:
    LogprobStyle logprob_style(const Choices& choices) const {
        return {&choices.tokenizer(), true, style_->tokens_as_ids};
    }
    void begin(ByteQueue& out);
    void take(const ChoicePart& part, ByteQueue& out);
    void add_text(OutputItem::Kind kind, std::string_view text, ByteQueue& out);
    void add_call(const CallPart& call, ByteQueue& out);
    void open_text(OutputItem::Kind kind, ByteQueue& out);
    void open(OutputItem item, const char* prefix, ByteQueue& out);
    void close(std::string_view status, ByteQueue& out);
    void end(const Choices& choices, ByteQueue& out);
    void keep(std::string tail);

    const StylePtr style_;
    const std::shared_ptr<ResponseStore> store_;
    const std::string digits_;      // of the ids
    const ByteQueue::Shared head_;  // of the object
    std::variant<ItemDocument, ItemEvents> items_;
    std::optional<OutputItem> item_;    // that has begun
    std::vector<PlacedToken> waiting_;  // tokens whose text has not come yet
    std::string output_;                // of the object: the items that are complete
    int n_items_ = 0, n_calls_ = 0;     // that have begun
    bool began_ = false, ended_ = false;
};

bool ResponseRenderer::write(Choices& choices, ByteQueue& out) {
    Choice& choice = choices.at(0);
    if (ended_ || (choice.n_tokens() == 0 && !choice.done())) return true;
    if (!began_) begin(out);
    take(choice.take(), out);
    if (choice.done() && !choice.abandoned()) end(choices, out);  // else an error tells the client
    return true;
}

void ResponseRenderer::begin(ByteQueue& out) {
    began_ = true;
    if (auto* events = std::get_if<ItemEvents>(&items_)) {
        const std::string tail = response_tail({}, nullptr);
        events->lifecycle(out, "created", head_, "", tail);
        events->lifecycle(out, "in_progress", head_, "", tail);
    } else {
        out.append(head_);
    }
}

/// Reasoning comes first; then text, and the tokens that came with it, up to each call and after
/// the last one.
void ResponseRenderer::take(const ChoicePart& part, ByteQueue& out) {
    if (!part.reasoning.empty()) add_text(OutputItem::Kind::reasoning, part.reasoning, out);
    size_t at = 0;
    auto token = part.tokens.begin();
    const auto add_until = [&](size_t end) {
        for (; token != part.tokens.end() && token->n_calls <= n_calls_; ++token)
            if (token->is_text) waiting_.push_back(*token);
        add_text(OutputItem::Kind::message, std::string_view(part.text).substr(at, end - at), out);
        at = end;
    };
    for (const CallPart& call : part.calls) {
        add_until(call.text_before);
        add_call(call, out);
    }
    add_until(part.text.size());
}

void ResponseRenderer::add_text(OutputItem::Kind kind, std::string_view text, ByteQueue& out) {
    const bool goes_on = item_ && item_->kind == kind;
    if (text.empty() && (!goes_on || waiting_.empty())) return;
    if (!goes_on) open_text(kind, out);
    if (kind == OutputItem::Kind::reasoning) waiting_.clear();
    std::string json;
    append_json_escaped(json, text);
    item_->text += json;
    std::visit([&](auto& items) { items.text(out, *item_, json, waiting_); }, items_);
    waiting_.clear();
}

/// The name of a call comes first and once, then its arguments.
void ResponseRenderer::add_call(const CallPart& call, ByteQueue& out) {
    if (!call.name.empty()) {
        n_calls_++;
        waiting_.clear();
        OutputItem item;
        item.kind = OutputItem::Kind::function_call;
        item.call_id = "call_" + call.id;
        item.name = call.name;
        const auto known =
            std::find_if(style_->tools.begin(), style_->tools.end(),
                         [&](const ResponseTool& tool) { return tool.called == call.name; });
        if (known != style_->tools.end()) {
            item.name_space = known->name_space;
            item.name = known->name;
            if (known->kind == ResponseTool::Kind::custom)
                item.kind = OutputItem::Kind::custom_tool_call;
        }
        const bool custom = item.kind == OutputItem::Kind::custom_tool_call;
        open(std::move(item), custom ? "ctc" : "fc", out);
    }
    if (call.arguments.empty() || !item_) return;
    item_->arguments += call.arguments;
    if (item_->kind == OutputItem::Kind::custom_tool_call) return;  // what is in them, at the end
    std::string json;
    append_json_escaped(json, call.arguments);
    item_->text += json;
    std::visit([&](auto& items) { items.arguments(out, *item_, json); }, items_);
}

void ResponseRenderer::open_text(OutputItem::Kind kind, ByteQueue& out) {
    OutputItem item;
    item.kind = kind;
    open(std::move(item), kind == OutputItem::Kind::message ? "msg" : "rs", out);
}

void ResponseRenderer::open(OutputItem item, const char* prefix, ByteQueue& out) {
    if (item_) close("completed", out);
    item.index = n_items_++;
    item.id = fmt::format("{}_{}{:04x}", prefix, digits_, item.index);
    item_ = std::move(item);
    std::visit([&](auto& items) { items.begin(out, *item_); }, items_);
}

void ResponseRenderer::close(std::string_view status, ByteQueue& out) {
    if (item_->kind == OutputItem::Kind::custom_tool_call) {
        append_json_escaped(item_->text, custom_input(item_->arguments));
        if (!item_->text.empty())
            std::visit([&](auto& items) { items.arguments(out, *item_, item_->text); }, items_);
    }
    std::visit([&](auto& items) { items.end(out, *item_, status); }, items_);
    if (style_->stream || style_->store) {
        if (!output_.empty()) output_ += ',';
        append_item(output_, *item_, status);
    }
    item_.reset();
}

/// There is always an item: clients look at the first one, and a model may have nothing to say.
void ResponseRenderer::end(const Choices& choices, ByteQueue& out) {
    ended_ = true;
    const Choice& choice = choices.at(0);
    const std::string_view how = choice.finish_name();
    if (n_items_ == 0) {
        open_text(OutputItem::Kind::message, out);
        add_text(OutputItem::Kind::message, "", out);
    }
    if (item_) {
        const bool cut = has_part(*item_) ? how == "length" || how == "abort"
                                          : how != "tool_calls" && !has_all_arguments(*item_);
        close(cut ? "incomplete" : "completed", out);
    }
    ResponseEnd state{.status = "completed"};
    if (how == "length")
        state = {.status = "incomplete", .incomplete_reason = "max_output_tokens"};
    else if (how == "abort")
        state = {.status = "failed", .error = &kAborted};
    const Usage usage = choices.usage();
    std::string tail = response_tail(state, &usage);
    if (auto* events = std::get_if<ItemEvents>(&items_))
        events->lifecycle(out, state.status, head_, output_, tail);
    else
        out.append(tail);
    keep(std::move(tail));
}

void ResponseRenderer::keep(std::string tail) {
    if (!style_->store) return;
    store_->keep({.id = "resp_" + digits_,
                  .previous_id = style_->previous_id,
                  .input = style_->input,
                  .head = head_,
                  .output = std::move(output_),
                  .tail = std::move(tail)});
}

/// A stream begins with its response, even if it then fails.
std::string ResponseRenderer::error_event(const ApiError& error) {
    ByteQueue out;
    auto* events = std::get_if<ItemEvents>(&items_);
    if (!began_) begin(out);
    if (events)
        events->lifecycle(out, "failed", head_, output_,
                          response_tail({.status = "failed", .error = &error}, nullptr));
    std::string event;
    out.take(event, out.size());
    return event;
}

}  // namespace

MakeRenderer response_renderer(ResponseStyle style, std::shared_ptr<ResponseStore> store) {
    return [style = std::make_shared<const ResponseStyle>(std::move(style)),
            store = std::move(store)](const Choices& choices) {
        return std::make_unique<ResponseRenderer>(style, store, choices);
    };
}

}  // namespace qwend
