// What sequences that wait share with those that run and with the prefix cache.

#include <algorithm>

#include "daemon/engine/scheduler.h"

namespace qwend {
namespace {

/// In units of n_work(): both miss the processor's caches.
constexpr uint64_t kLookupWork = 512, kAdoptionWork = 8;

}  // namespace

uint64_t Scheduler::n_work() const {
    return counters_.tokens_compared + kLookupWork * blocks_.n_lookups() +
           kAdoptionWork * counters_.blocks_adopted;
}

/// Where two sequences begin to differ between `begin` and `end`, or `end`.
int Scheduler::compare(const Sequence& a, const Sequence& b, int begin, int end) {
    constexpr int kPiece = 256;  // compared at once, which is much faster
    const int32_t *of_a = a.tokens.data(), *of_b = b.tokens.data();
    int n_same = begin;
    while (n_same + kPiece <= end &&
           std::equal(of_a + n_same, of_a + n_same + kPiece, of_b + n_same))
        n_same += kPiece;
    while (n_same < end && of_a[n_same] == of_b[n_same]) ++n_same;
    counters_.tokens_compared += static_cast<uint64_t>(n_same - begin) + 1;
    return n_same;
}

/// Brings the match up to date.
void Scheduler::match_prefix(Sequence& candidate) {
    blocks_.shrink(candidate.match);
    if (candidate.match.seen_id == 0) match_running(candidate);
    blocks_.update(candidate.match, candidate.tokens, candidate.cache_salt);
}

/// Takes for the match what running sequences have of the candidate's prefix: comparing with one
/// costs a fraction of looking up block after block.
void Scheduler::match_running(Sequence& candidate) {
    const int block_size = blocks_.block_size();
    const int n_usable = (static_cast<int>(candidate.tokens.size()) - 1) / block_size;
    PrefixMatch& match = candidate.match;
    for (const Sequence* other : running_) {
        const auto n_matched = static_cast<int>(match.blocks.size());
        const int n_end = std::min(other->table.n_published, n_usable);
        if (n_end <= n_matched || other->cache_salt != candidate.cache_salt) continue;
        // A content is in the cache once, so equal blocks are an equal prefix and others are not.
        if (n_matched > 0 && other->table.blocks[n_matched - 1] != match.blocks[n_matched - 1])
            continue;
        const int n_same =
            compare(candidate, *other, n_matched * block_size, n_end * block_size) / block_size;
        blocks_.extend(match, other->table, n_same);
    }
}

/// Puts the candidate behind a running sequence that is about to compute the next block it could
/// share, or computes it in flight: the one that is furthest; false if there is none. Waiting for
/// it costs no more than computing it again; choices of one request prefill once that way. Only
/// sequences served before the candidate count, so it never waits for one it may overtake.
bool Scheduler::follow_one(Sequence& candidate) {
    if (!prefix_cache_) return false;
    const int n_known = static_cast<int>(candidate.match.blocks.size()) * blocks_.block_size();
    for (Sequence* other : running_) {
        if (!precedes(*other, candidate)) break;
        if (other->cache_salt != candidate.cache_salt) continue;
        if (candidate.leader && other->n_computed <= candidate.leader->n_computed) continue;
        const int n_coming = coming_prefix(candidate, *other);
        if (n_coming <= n_known || n_coming <= other->n_landed) continue;
        candidate.leader = other;
        candidate.n_shared = n_coming;
    }
    if (!candidate.leader) return false;
    line_.erase(&candidate);
    candidate.leader->followers.emplace(candidate.n_shared, &candidate);
    return true;
}

/// How many tokens, in whole blocks, the candidate has in common with what is computed of `other`
/// once its prefill, or what is in flight, is over; 0 if `other` has no block to come after those
/// the candidate was found to have cached.
int Scheduler::coming_prefix(const Sequence& candidate, const Sequence& other) {
    const int block_size = blocks_.block_size();
    const auto n_matched = static_cast<int>(candidate.match.blocks.size());
    const int n_other = other.state == SequenceState::prefill
                            ? static_cast<int>(other.tokens.size())
                            : std::min(other.n_computed, other.n_known());  // guesses may be wrong
    const int n_end = std::min(n_other, static_cast<int>(candidate.tokens.size()) - 1);
    const int next_end = (n_matched + 1) * block_size;
    if (next_end > n_end || next_end <= other.n_landed) return 0;
    const int n_both = std::min(n_matched, other.table.n_published);
    if (n_both > 0 && candidate.match.blocks[n_both - 1] != other.table.blocks[n_both - 1])
        return 0;
    return compare(candidate, other, n_both * block_size, n_end) / block_size * block_size;
}

/// Puts those that follow for at most `n_most` tokens back in line: these are computed, or the
/// leader stops.
void Scheduler::release_followers(Sequence& leader, int n_most) {
    while (!leader.followers.empty() && leader.followers.begin()->first <= n_most) {
        Sequence& follower = *leader.followers.begin()->second;
        unfollow(follower);
        follower.match.seen_id = 0;
        line_.insert(&follower);
    }
}

void Scheduler::unfollow(Sequence& sequence) {
    if (!sequence.leader) return;
    sequence.leader->followers.erase({sequence.n_shared, &sequence});
    sequence.leader = nullptr;
}

}  // namespace qwend
