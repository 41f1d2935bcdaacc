#include "daemon/api/tool_calls.h"

#include <algorithm>

namespace qwend {

namespace {

using Kind = ToolPiece::Kind;
using Status = JsonScanner::Status;

constexpr std::string_view kOpen = "<tool_call>";
constexpr std::string_view kClose = "</tool_call>";
constexpr size_t kMaxHeld = 1024;  // bytes from a tag until it must be clear that it is a call
constexpr size_t kMaxSpace = 256;  // bytes of white space that wait for a tag

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_blank(std::string_view text) {
    return std::all_of(text.begin(), text.end(), is_space);
}

/// The object that `value`, a complete JSON value, stands for: itself, an object inside a string,
/// as some models write it, or none at all. Empty if it is something else.
std::string arguments_of(std::string_view value) {
    if (value[0] == 'n') return "{}";
    if (value[0] == '{') return clean_json_object(value);
    const std::string text = unescape_json(value.substr(1, value.size() - 2));
    return is_blank(text) ? "{}" : clean_json_object(text);
}

}  // namespace

void ToolCallParser::push(std::string_view text, std::vector<ToolPiece>& pieces) {
    out_ = &pieces;
    buffer_.append(text);
    run();
    buffer_.erase(0, emitted_);
    for (size_t* position : {&at_, &solid_end_, &tag_begin_, &tag_end_, &key_begin_, &value_begin_})
        *position -= std::min(*position, emitted_);
    emitted_ = 0;
}

void ToolCallParser::finish(std::vector<ToolPiece>& pieces) {
    push({}, pieces);
    while (state_ == State::opened || state_ == State::head) {
        not_a_call();
        run();
    }
    if (state_ == State::arguments || state_ == State::malformed) {
        emit_until(Kind::arguments, buffer_.size());
        emit(Kind::call_cut, call_text_);
    }
    if (state_ == State::tail) emit(Kind::call_end, {});  // only a brace is missing
    const bool part_of_tag = state_ == State::closing && at_ < buffer_.size();
    const bool rest_is_text = n_calls_ == 0 || !is_blank(slice(emitted_, buffer_.size()));
    if (rest_is_text && !part_of_tag) emit_until(Kind::text, buffer_.size());
    buffer_.clear();
    at_ = emitted_ = solid_end_ = 0;
    state_ = State::text;
}

void ToolCallParser::run() {
    while (at_ < buffer_.size())
        if (!step()) break;
    if (state_ == State::text) emit_until(Kind::text, solid_end_);
    if (state_ == State::malformed) emit_until(Kind::arguments, solid_end_);
}

bool ToolCallParser::step() {
    switch (state_) {
        case State::text:
            return text_step();
        case State::opened:
            return opened_step();
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
    }
    return false;
}

bool ToolCallParser::text_step() {
    const char c = buffer_[at_];
    if (c == '<') {
        const Tag open = tag_at(at_, kOpen);
        const Tag close = keep_tags_ ? Tag::no : tag_at(at_, kClose);
        if (open == Tag::yes) {
            open_tag();
            return true;
        }
        if (close == Tag::yes) {
            emit_until(Kind::text, at_);
            at_ = emitted_ = solid_end_ = at_ + kClose.size();
            return true;
        }
        if (open == Tag::partly || close == Tag::partly) return false;
    }
    at_++;
    if (!is_space(c) || at_ - solid_end_ > kMaxSpace) solid_end_ = at_;
    return true;
}

bool ToolCallParser::opened_step() {
    const char c = buffer_[at_];
    if (at_ - emitted_ > kMaxHeld) {
        not_a_call();
    } else if (is_space(c)) {
        at_++;
    } else if (c == '{') {
        state_ = State::head;
        scanner_ = {};
        in_value_ = has_name_ = has_arguments_ = false;
    } else {
        const Tag again = tag_at(at_, kOpen);
        if (again == Tag::partly) return false;
        if (again == Tag::yes)
            tag_end_ = at_ += kOpen.size();
        else
            not_a_call();
    }
    return true;
}

void ToolCallParser::head_step() {
    const char c = buffer_[at_];
    const bool was_key = scanner_.in_key();
    if (scanner_.depth() == 1 && scanner_.at_value() && !is_space(c)) {
        if (!begin_value(c)) return not_a_call();
        if (state_ == State::arguments) return;
    }
    // A complete object is no call either: its name or its arguments are missing.
    if (scanner_.push(c) != Status::open) return not_a_call();
    at_++;
    if (scanner_.depth() == 1) {
        if (!was_key && scanner_.in_key()) key_begin_ = at_;
        if (was_key && !scanner_.in_key()) key_ = unescape_json(slice(key_begin_, at_ - 1));
        if (in_value_ && scanner_.after_value() && !end_value()) return not_a_call();
    }
    const bool holds_arguments = has_arguments_ || (in_value_ && key_ == "arguments");
    if (state_ == State::head && !holds_arguments && at_ - emitted_ > kMaxHeld) not_a_call();
}

/// A member's value begins with `c`. False: what it begins makes this no call.
bool ToolCallParser::begin_value(char c) {
    const bool is_name = key_ == "name" && !has_name_;
    const bool is_arguments = key_ == "arguments" && !has_arguments_;
    if (!is_name && !is_arguments) return true;
    if (c != '"' && (is_name || (c != '{' && c != 'n'))) return false;
    in_value_ = true;
    value_begin_ = at_;
    if (is_arguments && has_name_ && c == '{') {
        begin_call();
        state_ = State::arguments;
    }
    return true;
}

bool ToolCallParser::end_value() {
    in_value_ = false;
    const std::string_view value = slice(value_begin_, at_);
    if (key_ == "name") {
        name_ = unescape_json(value.substr(1, value.size() - 2));
        has_name_ = true;
    } else {
        arguments_ = arguments_of(value);
        has_arguments_ = true;
    }
    if ((has_name_ && name_.empty()) || (has_arguments_ && arguments_.empty())) return false;
    if (has_name_ && has_arguments_) {
        begin_call();
        emit(Kind::arguments, arguments_);
        state_ = State::tail;
    }
    return true;
}

void ToolCallParser::arguments_step() {
    const char c = buffer_[at_];
    const bool in_string = scanner_.in_string();
    if (scanner_.push(c) == Status::error) {
        state_ = State::malformed;
        solid_end_ = at_;
        return;
    }
    emit(Kind::arguments, {});
    append_json_byte(out_->back().text, c, in_string);
    call_text_ += c;
    emitted_ = ++at_;
    if (scanner_.depth() == 1) state_ = State::tail;
}

bool ToolCallParser::malformed_step() {
    const char c = buffer_[at_];
    if (c == '<') {
        const Tag open = tag_at(at_, kOpen), close = tag_at(at_, kClose);
        if (open == Tag::yes || close == Tag::yes) {
            emit_until(Kind::arguments, solid_end_);
            emitted_ = at_;
            end_call();
            return true;
        }
        if (open == Tag::partly || close == Tag::partly) return false;
    }
    at_++;
    if (!is_space(c) || at_ - solid_end_ > kMaxSpace) solid_end_ = at_;
    return true;
}

void ToolCallParser::tail_step() {
    const Status status = scanner_.push(buffer_[at_]);
    const bool fails = status == Status::error || at_ - emitted_ > kMaxHeld;
    if (fails)
        at_ = emitted_;  // a brace is missing: what follows the arguments is looked at anew
    else
        at_++;
    if (!fails && status == Status::open) return;
    emitted_ = at_;
    end_call();
}

bool ToolCallParser::closing_step() {
    const char c = buffer_[at_];
    const Tag tag = tag_at(at_, kClose);
    if (tag == Tag::partly) return false;
    const bool waits = is_space(c) || c == '}';  // a brace too many is a fault that models make
    if (waits && at_ - emitted_ <= kMaxSpace) {
        at_++;
        return true;
    }
    if (tag == Tag::yes) emitted_ = at_ + kClose.size();
    at_ = solid_end_ = emitted_;
    state_ = State::text;
    return true;
}

ToolCallParser::Tag ToolCallParser::tag_at(size_t at, std::string_view tag) const {
    const std::string_view found = std::string_view(buffer_).substr(at, tag.size());
    if (found == tag) return Tag::yes;
    return tag.starts_with(found) ? Tag::partly : Tag::no;
}

void ToolCallParser::open_tag() {
    emit_until(Kind::text, solid_end_);
    tag_begin_ = at_;
    tag_end_ = at_ += kOpen.size();
    state_ = State::opened;
}

/// The tag is text after all, and what follows it is looked at anew.
void ToolCallParser::not_a_call() {
    emit_until(Kind::text, keep_tags_ ? tag_end_ : tag_begin_);
    at_ = emitted_ = solid_end_ = tag_end_;
    state_ = State::text;
}

void ToolCallParser::begin_call() {
    emit(Kind::call, name_);
    call_text_ = slice(emitted_, keep_tags_ ? tag_end_ : tag_begin_);
    call_text_ += slice(tag_end_, at_);
    emitted_ = at_;
    n_calls_++;
}

void ToolCallParser::end_call() {
    emit(Kind::call_end, {});
    state_ = State::closing;
}

void ToolCallParser::emit(Kind kind, std::string_view text) {
    const bool joins = kind == Kind::text || kind == Kind::arguments;
    if (!joins || out_->empty() || out_->back().kind != kind) out_->push_back({kind, {}});
    out_->back().text += text;
}

void ToolCallParser::emit_until(Kind kind, size_t end) {
    if (end <= emitted_) return;
    emit(kind, slice(emitted_, end));
    if (kind == Kind::arguments) call_text_ += slice(emitted_, end);
    emitted_ = end;
}

}  // namespace qwend
