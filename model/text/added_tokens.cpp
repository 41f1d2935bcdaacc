#include "model/text/added_tokens.h"

#include <utf8proc.h>

#include <algorithm>

#include "model/text/pretokenizer.h"
#include "model/utf8.h"

namespace qwend {

namespace {

/// \w as Rust's regex has it: Alphabetic, M, Nd, Pc, Join_Control (UTS #18, annex C).
bool is_word_char(int32_t c) {
    if (c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9)) return true;
    if ((c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
        (c >= 0x1F170 && c <= 0x1F189))
        return true;
    if (is_letter(c)) return true;
    switch (utf8proc_category(c)) {
        case UTF8PROC_CATEGORY_MN:
        case UTF8PROC_CATEGORY_MC:
        case UTF8PROC_CATEGORY_ME:
        case UTF8PROC_CATEGORY_ND:
        case UTF8PROC_CATEGORY_NL:
        case UTF8PROC_CATEGORY_PC:
            return true;
        default:
            return false;
    }
}

/// The character that ends at `end` (> 0).
DecodedChar char_before(std::string_view text, size_t end) {
    for (size_t n = 1; n <= 4 && n <= end; n++) {
        const DecodedChar c = utf8_at(text.substr(0, end), end - n);
        if (c.valid && c.length == int(n)) return c;
    }
    return {0, 1, false};
}

bool is_word(DecodedChar c) {
    return c.length > 0 && c.valid && is_word_char(c.code_point);
}

bool is_space(DecodedChar c) {
    return c.length > 0 && c.valid && is_white_space(c.code_point);
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)), nodes_(1) {
    for (size_t i = 0; i < tokens_.size(); i++) {
        const std::string& content = tokens_[i].content;
        int32_t node = 0;
        for (auto c = content.rbegin(); c != content.rend(); ++c) {
            const std::pair<uint8_t, int32_t> edge{uint8_t(*c), int32_t(nodes_.size())};
            if (const int32_t to = child(node, edge.first)) {
                node = to;
                continue;
            }
            auto& next = nodes_[size_t(node)].next;
            next.insert(std::lower_bound(next.begin(), next.end(), edge), edge);
            node = edge.second;
            nodes_.emplace_back();
        }
        if (node) nodes_[size_t(node)].token = int32_t(i);
    }
    std::vector<int32_t> queue;  // breadth first: what a node falls back to is shorter than it
    for (auto [byte, to] : nodes_[0].next) {
        roots_[byte] = to;
        queue.push_back(to);
    }
    for (size_t i = 0; i < queue.size(); i++) {
        const int32_t node = queue[i];
        for (auto [byte, to] : nodes_[size_t(node)].next) {
            Node& below = nodes_[size_t(to)];
            below.fail = step(nodes_[size_t(node)].fail, byte);
            if (below.token < 0) below.token = nodes_[size_t(below.fail)].token;
            queue.push_back(to);
        }
    }
}

int32_t AddedTokens::child(int32_t node, uint8_t byte) const {
    const auto& next = nodes_[size_t(node)].next;
    const auto found = std::lower_bound(next.begin(), next.end(), std::pair(byte, int32_t(0)));
    return found != next.end() && found->first == byte ? found->second : 0;
}

int32_t AddedTokens::step(int32_t node, uint8_t byte) const {
    for (; node; node = nodes_[size_t(node)].fail)
        if (const int32_t to = child(node, byte)) return to;
    return roots_[byte];
}

std::vector<AddedTokenMatch> AddedTokens::find(std::string_view text) const {
    if (tokens_.empty()) return {};
    struct Start {
        size_t at;
        int32_t token;
    };
    std::vector<Start> starts;  // from the last to the first
    int32_t node = 0;
    for (size_t at = text.size(); at-- > 0;) {
        node = node ? step(node, uint8_t(text[at])) : roots_[uint8_t(text[at])];
        if (const int32_t token = nodes_[size_t(node)].token; token >= 0)
            starts.push_back({at, token});
    }
    std::vector<AddedTokenMatch> matches;
    size_t from = 0;
    for (auto start = starts.rbegin(); start != starts.rend(); ++start) {
        if (start->at < from) continue;
        const AddedToken& token = tokens_[size_t(start->token)];
        from = start->at + token.content.size();
        if (!token.stays_text) add_match(text, start->at, from, token, matches);
    }
    return matches;
}

void add_match(std::string_view text, size_t begin, size_t end, const AddedToken& token,
               std::vector<AddedTokenMatch>& matches) {
    if (token.single_word &&
        ((begin > 0 && is_word(char_before(text, begin))) || is_word(utf8_at(text, end))))
        return;
    if (token.lstrip) {
        const size_t free_from = matches.empty() ? 0 : matches.back().end;
        while (begin > free_from && is_space(char_before(text, begin)))
            begin -= size_t(char_before(text, begin).length);
    }
    if (token.rstrip) {
        // What the match before has taken is white space, and need not be read again.
        if (!matches.empty()) end = std::max(end, matches.back().end);
        for (DecodedChar c; is_space(c = utf8_at(text, end));) end += size_t(c.length);
    }
    matches.push_back({begin, end, token.id});
}

}  // namespace qwend
