#include "daemon/api/untagged_calls.h"

#include <array>

namespace qwend {

namespace {

using Kind = ToolPiece::Kind;
using Tag = PieceText::Tag;
using Status = JsonScanner::Status;

constexpr std::string_view kFence = "```", kJsonFence = "```json";
/// What comes before the arguments: the empty part is the name, and white space may come before
/// each of the others.
constexpr std::array<std::string_view, 9> kHead = {"{", "\"name\"",      ":", "\"", "", "\"",
                                                   ",", "\"arguments\"", ":"};

}  // namespace

void UntaggedCallParser::push(std::string_view text, std::vector<ToolPiece>& pieces) {
    text_.open(text, pieces);
    run();
    text_.close({});
}

void UntaggedCallParser::finish(std::vector<ToolPiece>& pieces) {
    push({}, pieces);
    if (state_ == State::head) {
        begin_text();
        run();
    }
    if (state_ == State::arguments || state_ == State::malformed) {
        emit_arguments_until(text_.buffer.size());
        text_.emit(Kind::call_cut, call_text_);
    }
    if (state_ == State::tail) text_.emit(Kind::call_end, {});  // only a brace is missing
    const bool part_of_fence = state_ == State::closing && !text_.at_end();
    const bool rest_is_text =
        n_calls_ == 0 || !is_blank(text_.slice(text_.emitted, text_.buffer.size()));
    if (rest_is_text && !part_of_fence) text_.emit_until(Kind::text, text_.buffer.size());
    text_.clear();
    state_ = State::text;
}

void UntaggedCallParser::run() {
    while (!text_.at_end())
        if (!step()) break;
    if (state_ == State::text) text_.emit_until(Kind::text, text_.at);
    if (state_ == State::malformed) emit_arguments_until(text_.solid_end);
}

bool UntaggedCallParser::step() {
    switch (state_) {
        case State::beginning:
            return beginning_step();
        case State::head:
            head_step();
            return true;
        case State::arguments:
            arguments_step();
            return true;
        case State::malformed:
            return malformed_step();
        case State::tail:
            tail_step();
            return true;
        case State::closing:
            return closing_step();
        case State::text:
            text_.at = text_.buffer.size();
            return true;
    }
    return false;
}

bool UntaggedCallParser::beginning_step() {
    const char c = text_.next();
    const Tag json = text_.tag_at(kJsonFence);
    if (is_json_space(c) && text_.at - text_.emitted <= PieceText::kMaxSpace)
        text_.at++;
    else if (c == '{')
        open(0);
    else if (json == Tag::partly)
        return false;
    else if (json == Tag::yes || text_.tag_at(kFence) == Tag::yes)
        open(json == Tag::yes ? kJsonFence.size() : kFence.size());
    else
        begin_text();
    return true;
}

void UntaggedCallParser::open(size_t n_fence) {
    if (n_fence > 0) fenced_ = true;
    text_.at += n_fence;
    part_ = n_matched_ = 0;
    name_.clear();
    state_ = State::head;
}

void UntaggedCallParser::head_step() {
    const char c = text_.next();
    if (text_.at - text_.emitted > PieceText::kMaxHeld) return begin_text();
    if (part_ < kHead.size() && kHead[part_].empty()) return name_step(c);
    if (is_json_space(c) && n_matched_ == 0) {
        text_.at++;
    } else if (part_ == kHead.size()) {
        c == '{' ? begin_call() : begin_text();
    } else if (c == kHead[part_][n_matched_]) {
        text_.at++;
        if (++n_matched_ == kHead[part_].size()) part_++, n_matched_ = 0;
    } else {
        begin_text();
    }
}

void UntaggedCallParser::name_step(char c) {
    if (c == '"') {
        tools_->has_tool(name_) ? void(part_++) : begin_text();
        return;
    }
    name_ += c;
    text_.at++;
    if (!tools_->begins_tool(name_)) begin_text();
}

void UntaggedCallParser::arguments_step() {
    const char c = text_.next();
    const bool in_string = scanner_.in_string();
    const Status status = scanner_.push(c);
    if (status == Status::error) {
        state_ = State::malformed;
        text_.solid_end = text_.at;
        return;
    }
    text_.emit(Kind::arguments, {});
    append_json_byte(text_.out->back().text, c, in_string);
    call_text_ += c;
    text_.emitted = ++text_.at;
    if (status == Status::done) state_ = State::tail;
}

bool UntaggedCallParser::malformed_step() {
    if (fenced_ && text_.next() == '`') {
        const Tag fence = text_.tag_at(kFence);
        if (fence == Tag::partly) return false;
        if (fence == Tag::yes) {
            emit_arguments_until(text_.solid_end);
            text_.emitted = text_.at;
            end_call();
            return true;
        }
    }
    text_.skip_text();
    return true;
}

void UntaggedCallParser::tail_step() {
    const char c = text_.next();
    if (is_json_space(c) && text_.at - text_.emitted <= PieceText::kMaxSpace) {
        text_.at++;
        return;
    }
    if (c == '}') text_.emitted = text_.at + 1;  // else it is missing
    text_.at = text_.emitted;
    end_call();
}

bool UntaggedCallParser::closing_step() {
    const char c = text_.next();
    const Tag fence = text_.tag_at(kFence);
    if (is_json_space(c) && text_.at - text_.emitted <= PieceText::kMaxSpace) {
        text_.at++;
    } else if (c == '{') {
        open(0);
    } else if (fence == Tag::partly) {
        return false;
    } else if (fence == Tag::yes) {
        text_.emitted = text_.at += kFence.size();
        fenced_ = false;
        state_ = State::beginning;
    } else {
        begin_text();
    }
    return true;
}

/// What was held back is text, and all that follows.
void UntaggedCallParser::begin_text() {
    text_.at = text_.buffer.size();
    state_ = State::text;
}

void UntaggedCallParser::begin_call() {
    text_.emit(Kind::call, name_);
    call_text_ = text_.slice(text_.emitted, text_.at);
    text_.emitted = text_.at;
    scanner_ = {};
    state_ = State::arguments;
    n_calls_++;
}

/// Without a fence around it, what may follow is as at the beginning.
void UntaggedCallParser::end_call() {
    text_.emit(Kind::call_end, {});
    state_ = fenced_ ? State::closing : State::beginning;
}

/// What was generated is passed on, whatever it is.
void UntaggedCallParser::emit_arguments_until(size_t end) {
    if (end > text_.emitted) call_text_ += text_.slice(text_.emitted, end);
    text_.emit_until(Kind::arguments, end);
}

}  // namespace qwend
