#pragma once

#include <cstdint>
#include <span>

namespace qwend {

/// What next-token distributions are worth beside those of a reference, over many places of a text.
/// In nats: of a KL divergence and of what the token that follows is expected by.
struct Divergence {
    int n_places = 0;                     // compared
    double kl_sum = 0;                    // from the reference's: sum of p log(p / q)
    double kl_most = 0;                   // of a place
    int n_same = 0;                       // places where both find the same token the likeliest
    int n_following = 0;                  // places with a token that follows
    double loss = 0, reference_loss = 0;  // sums of -log of its probability

    double mean_kl() const { return n_places > 0 ? kl_sum / n_places : 0; }
    double share_same() const { return n_places > 0 ? double(n_same) / n_places : 0; }
    double perplexity() const;
    double reference_perplexity() const;
};

/// Adds a place: the logits of all ids, and the id that follows there, -1 if the text ends.
void add_place(Divergence& to, std::span<const float> reference, std::span<const float> logits,
               int32_t following);

}  // namespace qwend
