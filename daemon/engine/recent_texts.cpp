#include "daemon/engine/recent_texts.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace qwend {
namespace {

constexpr size_t kMostSalts = 16;
constexpr size_t kMostTokens = 1 << 17;  // of a generation, of which a salt has two
constexpr size_t kBefore = 32;           // tokens before what was generated
constexpr int32_t kEnd = -1;             // of a text; no token, so no match goes beyond it

}  // namespace

/// Those of a salt: the generation that grows, and the one before it.
struct RecentTexts::Texts {
    struct Generation {
        std::vector<int32_t> tokens;
        TextIndex index;
    };
    struct Found {
        const Generation* generation = nullptr;
        TextIndex::Match match;
    };
    explicit Texts(std::string_view salt) : salt(salt) {}

    Found find(std::span<const int32_t> text) const {
        Found best;
        for (const Generation& generation : generations) {
            const TextIndex::Match match = generation.index.find(generation.tokens, text);
            if (match.end >= 0 && match.length > best.match.length) best = {&generation, match};
        }
        return best;
    }

    /// What follows the match, up to the end of its text.
    static std::vector<int32_t> continue_match(const Found& found, int n_most) {
        if (!found.generation) return {};
        const std::vector<int32_t>& all = found.generation->tokens;
        const auto from = all.begin() + found.match.end + 1;
        const auto end = from + std::min<ptrdiff_t>(n_most, all.end() - from);
        return {from, std::find(from, end, kEnd)};
    }
    void draft(MatchGuess& guess, const DraftQuery& query, int n_most, float row_cost,
               std::vector<int32_t>& drafts) {
        const auto tokens = query.tokens;
        if (!guess.is_for(tokens.size())) {
            guess.check(tokens, records);
            const Found found = find(tokens);
            guess.set(tokens.size(), found.match.length, continue_match(found, n_most));
        }
        guess.draft(records, row_cost, query.waiting, drafts);
    }

    const std::string salt;
    std::array<Generation, 2> generations;  // the younger first
    MatchRecords records;
};

RecentTexts::RecentTexts(float row_cost) : row_cost_(row_cost) {}
RecentTexts::~RecentTexts() = default;

/// Which are the first of all then.
RecentTexts::Texts& RecentTexts::texts_of(std::string_view salt) {
    const auto found =
        std::ranges::find_if(texts_, [&](const auto& texts) { return texts->salt == salt; });
    if (found != texts_.end()) {
        texts_.splice(texts_.begin(), texts_, found);
    } else {
        texts_.push_front(std::make_shared<Texts>(salt));
        if (texts_.size() > kMostSalts) texts_.pop_back();
    }
    return *texts_.front();
}

void RecentTexts::add(std::string_view salt, std::span<const int32_t> tokens, size_t n_prompt) {
    if (tokens.size() < n_prompt + TextIndex::kShortest) return;
    tokens = tokens.subspan(n_prompt - std::min(n_prompt, kBefore));
    if (tokens.size() >= kMostTokens) tokens = tokens.last(kMostTokens - 1);
    Texts& texts = texts_of(salt);
    if (texts.generations[0].tokens.size() + tokens.size() >= kMostTokens)
        texts.generations[1] = std::exchange(texts.generations[0], {});
    Texts::Generation& young = texts.generations[0];
    young.tokens.insert(young.tokens.end(), tokens.begin(), tokens.end());
    young.tokens.push_back(kEnd);
    young.index.extend(young.tokens);
}

Drafter RecentTexts::drafter(std::string_view salt, int max_drafts) {
    texts_of(salt);
    const auto guess = std::make_shared<MatchGuess>();
    // It keeps nothing alive: what made room for others is guessed from no more.
    return {.max_drafts = max_drafts,
            .draft = [kept = std::weak_ptr<Texts>(texts_.front()), guess, max_drafts,
                      row_cost = row_cost_](const DraftQuery& query, std::vector<int32_t>& drafts) {
                if (const auto texts = kept.lock())
                    texts->draft(*guess, query, max_drafts, row_cost, drafts);
                return DraftSource::others;
            }};
}

}  // namespace qwend
