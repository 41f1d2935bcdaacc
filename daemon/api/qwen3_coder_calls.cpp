#include "daemon/api/qwen3_coder_calls.h"

#include "daemon/api/json_writer.h"
#include "daemon/api/output_format.h"

namespace qwend {

namespace {

using Kind = ToolPiece::Kind;
using Tag = PieceText::Tag;

constexpr std::string_view kOpen = kCallOpen, kClose = kCallClose;
constexpr std::string_view kFunction = "<function=", kFunctionEnd = "</function>";
constexpr std::string_view kParameter = "<parameter=", kParameterEnd = "</parameter>";
constexpr size_t kMaxName = 256;  // bytes of a function's or a parameter's

}  // namespace

void Qwen3CoderCallParser::push(std::string_view text, std::vector<ToolPiece>& pieces) {
    text_.open(text, pieces);
    run();
    text_.close({&tag_begin_, &tag_end_, &name_begin_});
}

void Qwen3CoderCallParser::finish(std::vector<ToolPiece>& pieces) {
    push({}, pieces);
    while (state_ == State::opened || state_ == State::name || state_ == State::head) {
        not_a_call();
        run();
    }
    if (state_ == State::text || state_ == State::closing) {
        const bool part_of_tag = state_ == State::closing && !text_.at_end();
        const bool rest_is_text =
            n_calls_ == 0 || !is_blank(text_.slice(text_.emitted, text_.buffer.size()));
        if (rest_is_text && !part_of_tag) text_.emit_until(Kind::text, text_.buffer.size());
    } else {
        if (state_ == State::value) value_.cut(arguments());
        pass(text_.buffer.size());
        text_.emit(Kind::call_cut, call_text_);
    }
    text_.clear();
    state_ = State::text;
}

void Qwen3CoderCallParser::run() {
    while (!text_.at_end())
        if (!step()) break;
    if (state_ == State::text) text_.emit_until(Kind::text, text_.solid_end);
}

bool Qwen3CoderCallParser::step() {
    switch (state_) {
        case State::text:
            return text_step();
        case State::opened:
            return opened_step();
        case State::name:
            return name_step();
        case State::head:
            return head_step();
        case State::key:
            return key_step();
        case State::value_begin:
            return value_begin_step();
        case State::value:
            return value_step();
        case State::between:
            return between_step();
        case State::closing:
            return closing_step();
    }
    return false;
}

bool Qwen3CoderCallParser::text_step() {
    if (text_.next() == '<') {
        const Tag open = text_.tag_at(kOpen), function = text_.tag_at(kFunction);
        const Tag close = keep_tags_ ? Tag::no : text_.tag_at(kClose);
        if (open == Tag::yes || function == Tag::yes) {
            open_tag(open == Tag::yes ? kOpen : kFunction);
            return true;
        }
        if (close == Tag::yes) {
            text_.emit_until(Kind::text, text_.at);
            text_.restart(text_.at + kClose.size());
            return true;
        }
        if (open == Tag::partly || function == Tag::partly || close == Tag::partly) return false;
    }
    text_.skip_text();
    return true;
}

bool Qwen3CoderCallParser::opened_step() {
    if (text_.at - text_.emitted > PieceText::kMaxHeld) {
        not_a_call();
    } else if (is_json_space(text_.next())) {
        text_.at++;
    } else {
        const Tag again = text_.tag_at(kOpen), function = text_.tag_at(kFunction);
        if (again == Tag::yes) {
            tag_end_ = text_.at += kOpen.size();
        } else if (function == Tag::yes) {
            name_begin_ = text_.at += kFunction.size();
            state_ = State::name;
        } else if (again == Tag::partly || function == Tag::partly) {
            return false;
        } else {
            not_a_call();
        }
    }
    return true;
}

bool Qwen3CoderCallParser::name_step() {
    bool fails = false;
    if (read_name(name_, fails)) state_ = State::head;
    if (fails) not_a_call();
    return true;
}

bool Qwen3CoderCallParser::head_step() {
    const Tag parameter = text_.tag_at(kParameter), end = text_.tag_at(kFunctionEnd);
    if (text_.at - text_.emitted > PieceText::kMaxHeld + kMaxName) {
        not_a_call();
    } else if (is_json_space(text_.next())) {
        text_.at++;
    } else if (parameter == Tag::yes || end == Tag::yes) {
        begin_call();
        state_ = State::between;
    } else if (parameter == Tag::partly || end == Tag::partly) {
        return false;
    } else {
        not_a_call();
    }
    return true;
}

bool Qwen3CoderCallParser::between_step() {
    const Tag parameter = text_.tag_at(kParameter), end = text_.tag_at(kFunctionEnd);
    if (parameter == Tag::yes) {
        name_begin_ = text_.at += kParameter.size();
        state_ = State::key;
    } else if (end == Tag::yes) {
        pass(text_.at + kFunctionEnd.size());
        end_call();
    } else if (parameter == Tag::partly || end == Tag::partly) {
        return false;
    } else if (is_json_space(text_.next()) && text_.at - text_.emitted < PieceText::kMaxHeld) {
        text_.at++;
    } else {
        end_call();
    }
    return true;
}

/// A key that is none is text, with what follows it, and the call ends before it.
bool Qwen3CoderCallParser::key_step() {
    bool fails = false;
    if (read_name(key_, fails)) begin_value();
    if (fails) end_call();
    return true;
}

bool Qwen3CoderCallParser::value_begin_step() {
    if (text_.next() == '\n') text_.at++;
    pass(text_.at);
    text_.solid_end = text_.at;
    at_line_start_ = true;
    state_ = State::value;
    return true;
}

/// A newline waits: it is no part of the value if the end of that follows.
bool Qwen3CoderCallParser::value_step() {
    const char c = text_.next();
    if (c == '<') {
        bool partly = false;
        for (const std::string_view tag : {kParameterEnd, kParameter, kFunctionEnd, kClose}) {
            if (tag != kParameterEnd && !at_line_start_) break;
            const Tag found = text_.tag_at(tag);
            partly = partly || found == Tag::partly;
            if (found != Tag::yes) continue;
            end_value();
            if (tag == kParameterEnd) pass(text_.at += tag.size());
            return true;
        }
        if (partly) return false;
    }
    at_line_start_ = c == '\n';
    text_.at++;
    if (text_.solid_end + 1 < text_.at) value_.push('\n', arguments());
    text_.solid_end = c == '\n' ? text_.at - 1 : text_.at;
    if (c != '\n') value_.push(c, arguments());
    pass(text_.solid_end);
    return true;
}

bool Qwen3CoderCallParser::closing_step() {
    const Tag tag = text_.tag_at(kClose);
    if (tag == Tag::partly) return false;
    if (is_json_space(text_.next()) && text_.at - text_.emitted <= PieceText::kMaxSpace) {
        text_.at++;
        return true;
    }
    text_.restart(tag == Tag::yes ? text_.at + kClose.size() : text_.emitted);
    state_ = State::text;
    return true;
}

/// Takes a byte of a name that ends with '>'. True once it is complete.
bool Qwen3CoderCallParser::read_name(std::string& name, bool& fails) {
    const char c = text_.next();
    const size_t length = text_.at - name_begin_;
    fails = c == '<' || uint8_t(c) < 0x20 || length > kMaxName || (c == '>' && length == 0);
    if (fails) return false;
    text_.at++;
    if (c == '>') name = text_.slice(name_begin_, text_.at - 1);
    return c == '>';
}

/// <function= is always text where it begins no call; it is no special token.
void Qwen3CoderCallParser::open_tag(std::string_view tag) {
    text_.emit_until(Kind::text, text_.solid_end);
    tag_begin_ = text_.at;
    tag_end_ = text_.at += tag.size();
    state_ = State::opened;
    if (tag == kOpen) return;
    tag_begin_ = name_begin_ = tag_end_;
    state_ = State::name;
}

/// The tag is text after all, and what follows it is looked at anew.
void Qwen3CoderCallParser::not_a_call() {
    text_.emit_until(Kind::text, keep_tags_ ? tag_end_ : tag_begin_);
    text_.restart(tag_end_);
    state_ = State::text;
}

void Qwen3CoderCallParser::begin_call() {
    text_.emit(Kind::call, name_);
    call_text_ = text_.slice(text_.emitted, keep_tags_ ? tag_end_ : tag_begin_);
    call_text_ += text_.slice(tag_end_, text_.at);
    text_.emitted = text_.at;
    n_parameters_ = 0;
    n_calls_++;
}

void Qwen3CoderCallParser::begin_value() {
    std::string& json = arguments();
    json += n_parameters_++ ? ", " : "{";
    append_json_string(json, key_);
    json += ": ";
    value_ = ParameterValue(parameters_ ? parameters_->types_of(name_, key_) : kJsonAny);
    state_ = State::value_begin;
}

void Qwen3CoderCallParser::end_value() {
    value_.finish(arguments());
    pass(text_.at);
    state_ = State::between;
}

/// What follows the last that was passed is looked at anew.
void Qwen3CoderCallParser::end_call() {
    arguments() += n_parameters_ ? "}" : "{}";
    text_.emit(Kind::call_end, {});
    text_.restart(text_.emitted);
    state_ = State::closing;
}

void Qwen3CoderCallParser::pass(size_t end) {
    if (end <= text_.emitted) return;
    call_text_ += text_.slice(text_.emitted, end);
    text_.emitted = end;
}

std::string& Qwen3CoderCallParser::arguments() {
    text_.emit(Kind::arguments, {});
    return text_.out->back().text;
}

}  // namespace qwend
