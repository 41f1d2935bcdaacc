#include "daemon/api/compiled_form.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/log.h"

namespace qwend {

using namespace grammar;

namespace {

/// Longer than any token would be of use for, but no longer than what is counted.
Automaton::Reach reach_of(const Vocabulary& vocabulary) {
    return {vocabulary.max_characters(), vocabulary.max_commas() + 1};
}

/// Of a mask, until `visit` returns false.
template <typename Visit>
void for_each_id(std::span<const uint32_t> words, const Visit& visit) {
    for (size_t i = 0; i < words.size(); i++)
        for (uint32_t left = words[i]; left != 0; left &= left - 1)
            if (!visit(int32_t(i * 32) + std::countr_zero(left))) return;
}

/// Of a mask's words: in lanes, which do not wait for each other.
uint64_t hash_of(std::span<const uint32_t> words) {
    constexpr size_t kLanes = 4;
    constexpr uint64_t kFactor = 0x9E3779B97F4A7C15u;
    std::array<uint64_t, kLanes> lanes{};
    size_t i = 0;
    for (; i + 2 * kLanes <= words.size(); i += 2 * kLanes)
        for (size_t lane = 0; lane < kLanes; lane++) {
            const uint64_t two = words[i + 2 * lane] | uint64_t(words[i + 2 * lane + 1]) << 32;
            lanes[lane] = (lanes[lane] ^ two) * kFactor;
            lanes[lane] ^= lanes[lane] >> 32;
        }
    uint64_t hash = 0;
    for (; i < words.size(); i++) hash = (hash ^ words[i]) * kFactor;
    for (const uint64_t lane : lanes) {
        hash = (hash ^ lane) * kFactor;
        hash ^= hash >> 29;
    }
    return hash;
}

}  // namespace

CompiledForm::CompiledForm(Grammar grammar, std::shared_ptr<const Vocabulary> vocabulary,
                           std::shared_ptr<CommonPassages> common, std::vector<int32_t> stop_ids)
    : vocabulary_(std::move(vocabulary)),
      common_passages_(std::move(common)),
      stop_ids_(std::move(stop_ids)),
      automaton_(std::move(grammar), reach_of(*vocabulary_)),
      masks_(automaton_, *vocabulary_, common_passages_.get()) {
    constexpr size_t kPreparingWork = 50'000;  // a millisecond or two
    try {
        automaton_.languages().allow_work(kPreparingWork);
        masks_.prepare();
    } catch (const GrammarError&) {
        // What takes too long now is tried again when it is needed.
    }
    note_size();
}

StateId CompiledForm::after(StateId state, int32_t token) {
    if (state == Automaton::kDead || std::ranges::find(stop_ids_, token) != stop_ids_.end())
        return Automaton::kDead;
    if (++n_read_ % 64 == 0) note_size();  // what is counted has a state for each count
    try {
        automaton_.languages().allow_work(Languages::kMaxTokenWork);
        return automaton_.after(state, vocabulary_->bytes(token));
    } catch (const GrammarError& error) {
        log_warning("an answer ends, whose form cannot be followed: {}", error.what());
        return Automaton::kDead;
    }
}

Completeness CompiledForm::completeness(StateId state) const {
    if (!automaton_.accepts(state)) return Completeness::partial;
    return automaton_.is_complete(state) ? Completeness::final : Completeness::complete;
}

void CompiledForm::fill(StateId state, std::span<uint32_t> words) {
    if (state == Automaton::kDead) return;
    try {
        automaton_.languages().allow_work(Languages::kMaxTokenWork);
        masks_.fill(state, words);
    } catch (const GrammarError& error) {
        log_warning("an answer ends, whose form cannot be followed: {}", error.what());
        std::ranges::fill(words, 0);
    }
    if (!automaton_.accepts(state)) return;
    for (const int32_t id : stop_ids_)
        if (id >= 0 && size_t(id) / 32 < words.size())
            words[size_t(id) / 32] |= uint32_t(1) << (id % 32);
}

CompiledForm::Known& CompiledForm::known(StateId state) {
    Known& known = known_[automaton_.folded(state)];
    if (!known.row) known.row = find_row(state);
    known.used = ++n_used_;
    return known;
}

VocabularyMask CompiledForm::mask(StateId state) {
    const Row& row = *known(state).row;
    return {row.words.data(), row.id};
}

int32_t CompiledForm::forced_token(StateId state) {
    if (state == Automaton::kDead) return kNoToken;
    Known& found = known(state);
    if (!found.forced) found.forced = find_forced(state, *found.row);
    return found.taken == kNoToken ? *found.forced : found.taken;
}

/// A token that is longer than what is forced says nothing of that.
void CompiledForm::note_taken(StateId state, int32_t token) {
    if (state == Automaton::kDead) return;
    const auto found = known_.find(automaton_.folded(state));
    if (found == known_.end() || found->second.forced.value_or(kNoToken) == kNoToken) return;
    Known& known = found->second;
    forced_record_.add(token == (known.taken == kNoToken ? *known.forced : known.taken));
    if (vocabulary_->bytes(token).size() <= vocabulary_->bytes(*known.forced).size())
        known.taken = token;
}

int32_t CompiledForm::find_forced(StateId state, const Row& row) {
    const std::string text = forced_text(state);
    int32_t longest = kNoToken;
    size_t length = 0;
    if (text.empty()) return longest;
    for_each_id(row.words, [&](int32_t id) {
        const std::string_view bytes = vocabulary_->bytes(id);
        if (bytes.size() > length && text.starts_with(bytes)) longest = id, length = bytes.size();
        return true;
    });
    return longest;
}

/// As long as a token. Byte by byte, since a beginning that is a token may go on in another way.
std::string CompiledForm::forced_text(StateId state) {
    constexpr size_t kMostBytes = 64;  // few tokens are longer
    std::string text;
    try {
        automaton_.languages().allow_work(Languages::kMaxTokenWork);
        while (text.size() < kMostBytes && state != Automaton::kDead &&
               !automaton_.accepts(state)) {
            const std::optional<uint8_t> byte = automaton_.only_next_byte(state);
            if (!byte) break;
            text += char(*byte);
            state = automaton_.after(state, *byte);
        }
    } catch (const GrammarError&) {  // whoever follows the form meets it too, and says so
    }
    return text;
}

std::shared_ptr<const CompiledForm::Row> CompiledForm::find_row(StateId state) {
    static std::atomic<uint64_t> n_rows{0};  // in the process: no two forms have the same number
    static thread_local std::vector<uint32_t> found;  // of the worker, and not of each form
    found.assign(vocabulary_->n_words(), 0);
    fill(state, found);
    const uint64_t hash = hash_of(found);
    const auto [begin, end] = rows_.equal_range(hash);
    for (auto at = begin; at != end; ++at)
        if (auto other = at->second.lock(); other && other->words == found) return other;
    const auto row = std::make_shared<const Row>(Row{found, ++n_rows});
    rows_.emplace(hash, row);
    forget_rows();
    note_size();
    return row;
}

void CompiledForm::note_size() {
    n_bytes_ = sizeof *this + automaton_.n_bytes() + masks_.n_bytes() +
               rows_.size() * (sizeof(Row) + vocabulary_->n_words() * sizeof(uint32_t));
}

/// Some of those that were not used lately, if there are many.
void CompiledForm::forget_rows() {
    constexpr size_t kMostRows = 3'000;
    constexpr uint64_t kLately = 2'000;  // masks
    if (rows_.size() < kMostRows) return;
    std::erase_if(known_, [&](const auto& known) {
        return known.second.used > 0 && known.second.used + kLately < n_used_;
    });
    std::erase_if(rows_, [](const auto& row) { return row.second.expired(); });
}

Constraint constrain(std::shared_ptr<FormedOutput> output) {
    return {[output](std::span<const int32_t> drafts, std::span<VocabularyMask> masks) {
                StateId at = output->at;
                for (size_t i = 0; i < masks.size(); i++) {
                    if (i > 0) at = output->form->after(at, drafts[i - 1]);
                    masks[i] = output->form->mask(at);
                }
            },
            [output](int32_t token) {
                output->form->note_taken(output->at, token);
                output->at = output->form->after(output->at, token);
            },
            [output] { return output->form->completeness(output->at); }};
}

Drafter draft_forced(std::shared_ptr<FormedOutput> output, float row_cost, int max_drafts) {
    return {max_drafts, [=](const DraftQuery& query, std::vector<int32_t>& drafts) {
                StateId at = output->at;
                for (int i = 0; i < max_drafts; i++) {
                    const int32_t token = output->form->forced_token(at);
                    if (token == kNoToken) break;
                    drafts.push_back(token);
                    at = output->form->after(at, token);
                }
                const std::vector<float> chances(drafts.size(), output->form->forced_rate());
                drafts.resize(n_worthwhile(chances, row_cost, query.waiting));
                return DraftSource::form;
            }};
}

Constraint all_of(Constraint first, Constraint second, int n_vocab) {
    struct Both {
        Constraint first, second;
        std::vector<uint32_t> words;
    };
    auto both = std::make_shared<Both>(Both{std::move(first), std::move(second), {}});
    const size_t n_words = mask_words(n_vocab);
    return {[both, n_words](std::span<const int32_t> drafts, std::span<VocabularyMask> masks) {
                std::vector<VocabularyMask> other(masks.size());
                both->first.find_masks(drafts, masks);
                both->second.find_masks(drafts, other);
                both->words.resize(n_words * masks.size());
                for (size_t i = 0; i < masks.size(); i++) {
                    uint32_t* words = both->words.data() + i * n_words;
                    for (size_t w = 0; w < n_words; w++)
                        words[w] = masks[i].words[w] & other[i].words[w];
                    masks[i] = {words, 0};
                }
            },
            [both](int32_t token) {
                both->first.accept(token);
                both->second.accept(token);
            },
            [both] {
                const auto of = [](const Constraint& one) {
                    return one.completeness ? one.completeness() : Completeness::complete;
                };
                const Completeness first = of(both->first), second = of(both->second);
                if (first == Completeness::partial || second == Completeness::partial)
                    return Completeness::partial;
                return std::max(first, second);
            }};
}

}  // namespace qwend
