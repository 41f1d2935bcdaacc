#include "daemon/api/choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <random>

namespace qwend {

namespace {

std::string make_call_id() {
    static std::mt19937_64 random(std::random_device{}());
    return fmt::format("{:016x}", random());
}

/// Those of the tags that are special tokens.
std::vector<int32_t> special_tokens(const Tokenizer& tokenizer,
                                    std::initializer_list<std::string_view> tags) {
    std::vector<int32_t> ids;
    for (const std::string_view tag : tags)
        if (const auto id = tokenizer.added_token_id(tag); id && tokenizer.is_special(*id))
            ids.push_back(*id);
    return ids;
}

}  // namespace

// Special tokens are skipped here and not by the decoder: the tags of reasoning and of a call have
// to be seen.
Choice::Choice(const Tokenizer& tokenizer, const Generation& generation, OutputFormat format,
               const ToolParameters* parameters, size_t text_begin)
    : tokenizer_(&tokenizer),
      generation_(&generation),
      uses_tools_(!generation.chat_options.tools.empty() && format.tools != ToolFormat::none),
      offsets_(tokenizer, text_begin),
      stops_(generation.stops, generation.include_stop) {
    const bool thinks = format.reasoning == ReasoningFormat::think && generation.split_reasoning;
    const bool skips = generation.skip_special_tokens;
    if (thinks) reasoning_ = ReasoningParser(generation.begins_in_reasoning);
    if (thinks && skips) visible_tags_ = special_tokens(tokenizer, {"<think>", "</think>"});
    if (!uses_tools_) return;
    const auto tags = special_tokens(tokenizer, {"<tool_call>", "</tool_call>"});
    parser_ =
        ToolCallParser(format.tools, !skips || tags.empty(), parameters, generation.untagged_calls);
    if (skips) visible_tags_.insert(visible_tags_.end(), tags.begin(), tags.end());
}

bool Choice::on_event(const TokenEvent& event) {
    if (done_) return false;
    n_cached_ = std::max(n_cached_, event.n_cached_tokens);
    if (generation_->max_tokens == 0) return skip_event(event);
    if (event.sampled.token >= 0) {
        const bool was_text = in_text();
        on_token(event);
        if (!new_.tokens.empty()) {
            new_.tokens.back().n_calls = n_calls_;
            new_.tokens.back().is_text = was_text && in_text() && !reasoning_.at_beginning();
        }
    }
    if (!done_ && event.finish != FinishReason::none) {
        const auto& own = generation_->stop_token_ids;
        if (event.finish == FinishReason::stop &&
            std::find(own.begin(), own.end(), event.sampled.token) != own.end())
            stop_token_ = event.sampled.token;
        // A character that the end cuts through is no text: the decoder keeps its bytes.
        if (const std::string rest = offsets_.finish(); !rest.empty()) take_decoded(rest);
        if (!done_) add_generated(stops_.finish());
        if (!done_) end(event.finish);
    }
    return done_ && event.finish == FinishReason::none;
}

/// Of a choice without tokens: the engine samples one all the same, which nobody sees.
bool Choice::skip_event(const TokenEvent& event) {
    if (event.sampled.token < 0 && event.finish == FinishReason::none) return false;
    end(FinishReason::length);
    return event.finish == FinishReason::none;
}

void Choice::on_token(const TokenEvent& event) {
    const int32_t token = event.sampled.token;
    n_tokens_++;
    sum_logprob_ += double(event.sampled.logprob);
    if (generation_->return_token_ids) new_.token_ids.push_back(token);
    if (generation_->sampling.n_logprobs >= 0)
        new_.tokens.push_back({event.sampled, offsets_.of(token)});
    // The token that ends a sequence is no text, unless its text was asked for; but an answer also
    // ends where its form is complete.
    const auto& ends = generation_->sampling.stop_token_ids;
    if (event.finish == FinishReason::stop && !generation_->include_stop &&
        std::ranges::find(ends, token) != ends.end())
        return;
    if (is_hidden(token)) return;
    const std::string decoded = offsets_.push(token);
    n_reasoning_tokens_ += reasoning_.in_reasoning();
    take_decoded(decoded);
}

/// Text, in which a stop string may end the choice.
void Choice::take_decoded(std::string_view decoded) {
    auto [text, matched] = stops_.push(decoded, n_tokens_ > generation_->sampling.min_tokens);
    add_generated(text);
    if (matched < 0 || done_) return;
    stop_string_ = matched;
    end(FinishReason::stop);
}

double Choice::mean_logprob() const {
    return n_tokens_ > 0 ? sum_logprob_ / n_tokens_ : -std::numeric_limits<double>::infinity();
}

size_t Choice::n_untaken() const {
    const size_t n_logprobs = size_t(std::max(generation_->sampling.n_logprobs, 0));
    size_t n = new_.text.size() + new_.reasoning.size() +
               new_.tokens.size() * (sizeof(PlacedToken) + n_logprobs * sizeof(TokenLogprob)) +
               new_.token_ids.size() * sizeof(int32_t);
    for (const CallPart& call : new_.calls) n += sizeof call + call.arguments.size();
    return n;
}

bool Choice::is_hidden(int32_t token) const {
    return generation_->skip_special_tokens && tokenizer_->is_special(token) &&
           std::find(visible_tags_.begin(), visible_tags_.end(), token) == visible_tags_.end();
}

void Choice::add_generated(std::string_view generated) {
    std::string text;
    reasoning_.push(generated, new_.reasoning, text);
    add_text(text);
}

void Choice::add_text(std::string_view text) {
    if (text.empty()) return;
    if (!uses_tools_) {
        new_.text += text;
        return;
    }
    parser_.push(text, pieces_);
    take_pieces();
}

void Choice::end(FinishReason finish) {
    std::string text;
    reasoning_.finish(new_.reasoning, text);
    add_text(text);
    if (uses_tools_ && !done_) {
        parser_.finish(pieces_);
        take_pieces();
    }
    finish_ = finish;
    done_ = true;
}

void Choice::take_pieces() {
    for (ToolPiece& piece : std::exchange(pieces_, {})) {
        switch (piece.kind) {
            case ToolPiece::Kind::text:
                new_.text += piece.text;
                break;
            case ToolPiece::Kind::call:
                in_call_ = true;
                open_call_ = {n_calls_++, make_call_id(), std::move(piece.text), {}, 0};
                if (!generation_->whole_calls) tell_call(std::move(open_call_));
                break;
            case ToolPiece::Kind::arguments:
                take_arguments(piece.text);
                break;
            case ToolPiece::Kind::call_end:
                in_call_ = false;
                if (generation_->whole_calls) tell_call(std::move(open_call_));
                if (generation_->parallel_tool_calls) break;
                finish_ = FinishReason::stop;
                done_ = true;  // and what may follow the one call is not wanted
                return;
            case ToolPiece::Kind::call_cut:
                call_cut_ = true;
                in_call_ = false;
                if (generation_->whole_calls) new_.text += piece.text;
                break;
        }
    }
}

void Choice::take_arguments(std::string_view text) {
    if (text.empty()) return;
    if (generation_->whole_calls) {
        open_call_.arguments += text;
        return;
    }
    if (new_.calls.empty()) tell_call({n_calls_ - 1, {}, {}, {}, 0});
    new_.calls.back().arguments += text;
}

void Choice::tell_call(CallPart call) {
    call.text_before = new_.text.size();
    new_.calls.push_back(std::move(call));
}

std::string_view Choice::finish_name() const {
    switch (finish_) {
        case FinishReason::stop:
            return n_calls_ > 0 && !call_cut_ ? "tool_calls" : "stop";
        case FinishReason::length:
            return "length";
        case FinishReason::abort:
            return "abort";
        default:
            return "cancelled";
    }
}

}  // namespace qwend
