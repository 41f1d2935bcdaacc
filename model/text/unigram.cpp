#include "model/text/unigram.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>

#include "model/error.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr double kUnknownPenalty = 10;  // below the least of the scores

}  // namespace

/// The last piece of the best row that ends somewhere.
struct Unigram::Step {
    double score = 0;     // of the row
    uint32_t length = 0;  // of the piece, bytes; 0: no row ends here
    int32_t id = -1;
};

Unigram::Unigram(const std::vector<std::pair<std::string_view, double>>& pieces,
                 std::optional<int32_t> unknown, bool byte_fallback, const std::string& source)
    : unknown_(unknown.value_or(-1)) {
    if (pieces.empty() || unknown_ >= int32_t(pieces.size()) || (unknown && *unknown < 0))
        throw LoadError(fmt::format("{}: model: expected pieces, and unk_id to be one", source));
    byte_ids_.fill(-1);
    double least = pieces[0].second;
    for (const auto& [text, score] : pieces) {
        const auto id = int32_t(scores_.size());
        if (!text.empty()) trie_.insert(text, id);  // of a piece that is there twice, the last
        scores_.push_back(score);
        least = std::min(least, score);
    }
    unknown_score_ = least - kUnknownPenalty;
    for (size_t b = 0; byte_fallback && b < byte_ids_.size(); b++) {
        const std::string name = fmt::format("<0x{:02X}>", b);
        const auto found =
            std::ranges::find(pieces, name, &std::pair<std::string_view, double>::first);
        if (found != pieces.end()) byte_ids_[b] = int32_t(found - pieces.begin());
    }
}

std::vector<Unigram::Step> Unigram::best_steps(std::string_view word) const {
    std::vector<Step> best(word.size() + 1);
    auto offer = [&](size_t begin, size_t end, double score, int32_t id) {
        const double sum = best[begin].score + score;
        if (best[end].length == 0 || sum > best[end].score)
            best[end] = {sum, uint32_t(end - begin), id};
    };
    for (size_t at = 0; at < word.size();) {
        const auto n_first = size_t(utf8_at(word, at).length);
        bool has_first = false;
        int32_t node = 0;
        for (size_t end = at; end < word.size();) {
            node = trie_.child(node, uint8_t(word[end++]));
            if (node < 0) break;
            const int32_t id = trie_.id(node);
            if (id < 0) continue;
            offer(at, end, scores_[size_t(id)], id);
            has_first |= end - at == n_first;
        }
        if (!has_first) offer(at, at + n_first, unknown_score_, unknown_);
        at += n_first;
    }
    return best;
}

void Unigram::append_unknown(std::string_view text, std::vector<int32_t>& ids) const {
    if (const int32_t id = trie_.find(text); id >= 0)
        return ids.push_back(id);  // all in a row they may be a piece, as its name is
    const bool has_bytes =
        std::ranges::all_of(text, [&](char byte) { return byte_ids_[uint8_t(byte)] >= 0; });
    if (!has_bytes && unknown_ >= 0) ids.push_back(unknown_);
    for (const char byte : has_bytes ? text : std::string_view())
        ids.push_back(byte_ids_[uint8_t(byte)]);
}

void Unigram::encode(std::string_view word, std::vector<int32_t>& ids) const {
    const std::vector<Step> best = best_steps(word);
    std::vector<size_t> ends;  // of the pieces, from the last to the first
    for (size_t end = word.size(); end > 0; end -= best[end].length) ends.push_back(end);
    size_t unknown_from = word.size();  // where a row of unknown characters begins
    bool is_row = false;
    auto end_row = [&](size_t end) {
        if (is_row) append_unknown(word.substr(unknown_from, end - unknown_from), ids);
        is_row = false;
    };
    for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
        const Step& step = best[*end];
        const size_t begin = *end - step.length;
        if (step.id == unknown_) {
            if (!is_row) unknown_from = begin;
            is_row = true;
        } else {
            end_row(begin);
            ids.push_back(step.id);
        }
    }
    end_row(word.size());
}

}  // namespace qwend
