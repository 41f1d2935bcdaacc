#include "daemon/api/hermes_calls.h"

#include "daemon/api/output_format.h"

namespace qwend {

namespace {

using Kind = ToolPiece::Kind;
using Tag = PieceText::Tag;
using Status = JsonScanner::Status;

constexpr std::string_view kOpen = kCallOpen, kClose = kCallClose;
constexpr size_t kMaxHeld = PieceText::kMaxHeld, kMaxSpace = PieceText::kMaxSpace;

/// The object that `value`, a complete JSON value, stands for: itself, an object inside a string,
/// as some models write it, or none at all. Empty if it is something else.
std::string arguments_of(std::string_view value) {
    if (value[0] == 'n') return "{}";
    if (value[0] == '{') return clean_json_object(value);
    const std::string text = unescape_json(value.substr(1, value.size() - 2));
    return is_blank(text) ? "{}" : clean_json_object(text);
}

}  // namespace

void HermesCallParser::push(std::string_view text, std::vector<ToolPiece>& pieces) {
    text_.open(text, pieces);
    run();
    text_.close({&tag_begin_, &tag_end_, &key_begin_, &value_begin_});
}

void HermesCallParser::finish(std::vector<ToolPiece>& pieces) {
    push({}, pieces);
    while (state_ == State::opened || state_ == State::head) {
        not_a_call();
        run();
    }
    if (state_ == State::arguments || state_ == State::malformed) {
        emit_arguments_until(text_.buffer.size());
        text_.emit(Kind::call_cut, call_text_);
    }
    if (state_ == State::tail) text_.emit(Kind::call_end, {});  // only a brace is missing
    const bool part_of_tag = state_ == State::closing && !text_.at_end();
    const bool rest_is_text =
        n_calls_ == 0 || !is_blank(text_.slice(text_.emitted, text_.buffer.size()));
    if (rest_is_text && !part_of_tag) text_.emit_until(Kind::text, text_.buffer.size());
    text_.clear();
    state_ = State::text;
}

void HermesCallParser::run() {
    while (!text_.at_end())
        if (!step()) break;
    if (state_ == State::text) text_.emit_until(Kind::text, text_.solid_end);
    if (state_ == State::malformed) emit_arguments_until(text_.solid_end);
}

bool HermesCallParser::step() {
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

bool HermesCallParser::text_step() {
    const char c = text_.next();
    if (c == '<') {
        const Tag open = text_.tag_at(kOpen);
        const Tag close = keep_tags_ ? Tag::no : text_.tag_at(kClose);
        if (open == Tag::yes) {
            open_tag();
            return true;
        }
        if (close == Tag::yes) {
            text_.emit_until(Kind::text, text_.at);
            text_.restart(text_.at + kClose.size());
            return true;
        }
        if (open == Tag::partly || close == Tag::partly) return false;
    }
    text_.skip_text();
    return true;
}

bool HermesCallParser::opened_step() {
    const char c = text_.next();
    if (text_.at - text_.emitted > kMaxHeld) {
        not_a_call();
    } else if (is_json_space(c)) {
        text_.at++;
    } else if (c == '{') {
        state_ = State::head;
        scanner_ = {};
        in_value_ = has_name_ = has_arguments_ = false;
    } else {
        const Tag again = text_.tag_at(kOpen);
        if (again == Tag::partly) return false;
        if (again == Tag::yes)
            tag_end_ = text_.at += kOpen.size();
        else
            not_a_call();
    }
    return true;
}

void HermesCallParser::head_step() {
    const char c = text_.next();
    const bool was_key = scanner_.in_key();
    if (scanner_.depth() == 1 && scanner_.at_value() && !is_json_space(c)) {
        if (!begin_value(c)) return not_a_call();
        if (state_ == State::arguments) return;
    }
    // A complete object is no call either: its name or its arguments are missing.
    if (scanner_.push(c) != Status::open) return not_a_call();
    text_.at++;
    if (scanner_.depth() == 1) {
        if (!was_key && scanner_.in_key()) key_begin_ = text_.at;
        if (was_key && !scanner_.in_key())
            key_ = unescape_json(text_.slice(key_begin_, text_.at - 1));
        if (in_value_ && scanner_.after_value() && !end_value()) return not_a_call();
    }
    const bool holds_arguments = has_arguments_ || (in_value_ && key_ == "arguments");
    if (state_ == State::head && !holds_arguments && text_.at - text_.emitted > kMaxHeld)
        not_a_call();
}

/// A member's value begins with `c`. False: what it begins makes this no call.
bool HermesCallParser::begin_value(char c) {
    const bool is_name = key_ == "name" && !has_name_;
    const bool is_arguments = key_ == "arguments" && !has_arguments_;
    if (!is_name && !is_arguments) return true;
    if (c != '"' && (is_name || (c != '{' && c != 'n'))) return false;
    in_value_ = true;
    value_begin_ = text_.at;
    if (is_arguments && has_name_ && c == '{') {
        begin_call();
        state_ = State::arguments;
    }
    return true;
}

bool HermesCallParser::end_value() {
    in_value_ = false;
    const std::string_view value = text_.slice(value_begin_, text_.at);
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
        text_.emit(Kind::arguments, arguments_);
        state_ = State::tail;
    }
    return true;
}

void HermesCallParser::arguments_step() {
    const char c = text_.next();
    const bool in_string = scanner_.in_string();
    if (scanner_.push(c) == Status::error) {
        state_ = State::malformed;
        text_.solid_end = text_.at;
        return;
    }
    text_.emit(Kind::arguments, {});
    append_json_byte(text_.out->back().text, c, in_string);
    call_text_ += c;
    text_.emitted = ++text_.at;
    if (scanner_.depth() == 1) state_ = State::tail;
}

bool HermesCallParser::malformed_step() {
    const char c = text_.next();
    if (c == '<') {
        const Tag open = text_.tag_at(kOpen), close = text_.tag_at(kClose);
        if (open == Tag::yes || close == Tag::yes) {
            emit_arguments_until(text_.solid_end);
            text_.emitted = text_.at;
            end_call();
            return true;
        }
        if (open == Tag::partly || close == Tag::partly) return false;
    }
    text_.skip_text();
    return true;
}

void HermesCallParser::tail_step() {
    const Status status = scanner_.push(text_.next());
    const bool fails = status == Status::error || text_.at - text_.emitted > kMaxHeld;
    if (fails)
        text_.at = text_.emitted;  // a brace is missing: what follows is looked at anew
    else
        text_.at++;
    if (!fails && status == Status::open) return;
    text_.emitted = text_.at;
    end_call();
}

bool HermesCallParser::closing_step() {
    const char c = text_.next();
    const Tag tag = text_.tag_at(kClose);
    if (tag == Tag::partly) return false;
    // A brace too many is a fault that models make.
    const bool waits = is_json_space(c) || c == '}';
    if (waits && text_.at - text_.emitted <= kMaxSpace) {
        text_.at++;
        return true;
    }
    if (tag == Tag::yes) text_.emitted = text_.at + kClose.size();
    text_.at = text_.solid_end = text_.emitted;
    state_ = State::text;
    return true;
}

void HermesCallParser::open_tag() {
    text_.emit_until(Kind::text, text_.solid_end);
    tag_begin_ = text_.at;
    tag_end_ = text_.at += kOpen.size();
    state_ = State::opened;
}

/// The tag is text after all, and what follows it is looked at anew.
void HermesCallParser::not_a_call() {
    text_.emit_until(Kind::text, keep_tags_ ? tag_end_ : tag_begin_);
    text_.restart(tag_end_);
    state_ = State::text;
}

void HermesCallParser::begin_call() {
    text_.emit(Kind::call, name_);
    call_text_ = text_.slice(text_.emitted, keep_tags_ ? tag_end_ : tag_begin_);
    call_text_ += text_.slice(tag_end_, text_.at);
    text_.emitted = text_.at;
    n_calls_++;
}

/// What was generated is passed on, whatever it is.
void HermesCallParser::emit_arguments_until(size_t end) {
    if (end > text_.emitted) call_text_ += text_.slice(text_.emitted, end);
    text_.emit_until(Kind::arguments, end);
}

void HermesCallParser::end_call() {
    text_.emit(Kind::call_end, {});
    state_ = State::closing;
}

}  // namespace qwend
