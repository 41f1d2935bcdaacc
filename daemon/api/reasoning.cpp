#include "daemon/api/reasoning.h"

#include <algorithm>

#include "daemon/api/output_format.h"

namespace qwend {

namespace {

constexpr std::string_view kOpen = kThinkOpen, kClose = kThinkClose;
constexpr size_t kMaxSpace = 256;  // bytes of white space that wait for a tag

/// Whether `text` begins with all of `tag`, or is the beginning of it.
bool has_tag(std::string_view text, std::string_view tag) {
    return text.starts_with(tag);
}
bool may_become_tag(std::string_view text, std::string_view tag) {
    return text.size() < tag.size() && tag.starts_with(text);
}

}  // namespace

void ReasoningParser::push(std::string_view text, std::string& reasoning, std::string& content) {
    if (state_ == State::content) {
        content += text;
        return;
    }
    held_ += text;
    while (step(reasoning, content)) continue;
    if (state_ != State::reasoning) return;
    reasoning.append(held_, 0, solid_);
    held_.erase(0, solid_);
    at_ -= solid_;
    solid_ = 0;
}

void ReasoningParser::finish(std::string& reasoning, std::string& content) {
    (in_reasoning() ? reasoning : content) += held_;
    held_.clear();
    state_ = State::content;
}

bool ReasoningParser::step(std::string& reasoning, std::string& content) {
    switch (state_) {
        case State::begin:
            return begin_step();
        case State::opened:
            return opened_step();
        case State::reasoning:
            return reasoning_step(reasoning);
        case State::closed:
            held_.erase(0, std::min(held_.find_first_not_of('\n'), held_.size()));
            if (!held_.empty()) state_ = State::content;
            return !held_.empty();
        case State::content:
            content += held_;
            held_.clear();
            return false;
    }
    return false;
}

bool ReasoningParser::begin_step() {
    const size_t n_space = std::min(held_.find_first_not_of(" \t\r\n"), held_.size());
    const std::string_view rest = std::string_view(held_).substr(n_space);
    if (n_space <= kMaxSpace && may_become_tag(rest, kOpen)) return false;
    const bool opens = n_space <= kMaxSpace && has_tag(rest, kOpen);
    if (opens) held_.erase(0, n_space + kOpen.size());
    state_ = opens ? State::opened : State::content;
    return true;
}

/// A model may repeat the tag that its prompt ends with.
bool ReasoningParser::opened_step() {
    held_.erase(0, std::min(held_.find_first_not_of('\n'), held_.size()));
    if (has_tag(held_, kOpen)) {
        held_.erase(0, kOpen.size());
        return true;
    }
    if (may_become_tag(held_, kOpen)) return false;
    at_ = solid_ = 0;
    state_ = State::reasoning;
    return true;
}

bool ReasoningParser::reasoning_step(std::string& reasoning) {
    for (; at_ < held_.size(); at_++) {
        const char c = held_[at_];
        if (c == '<') {
            const std::string_view rest = std::string_view(held_).substr(at_);
            if (may_become_tag(rest, kClose)) return false;
            if (has_tag(rest, kClose)) {
                reasoning.append(held_, 0, solid_);
                held_.erase(0, at_ + kClose.size());
                state_ = State::closed;
                return true;
            }
        }
        if (c != '\n' || at_ - solid_ >= kMaxSpace) solid_ = at_ + 1;
    }
    return false;
}

}  // namespace qwend
