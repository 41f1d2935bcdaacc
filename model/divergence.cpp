#include "model/divergence.h"

#include <algorithm>
#include <cmath>

namespace qwend {

namespace {

/// What is taken from logits to have log-probabilities.
double log_of_sum(std::span<const float> logits) {
    const double most = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (float logit : logits) sum += std::exp(logit - most);
    return most + std::log(sum);
}

double mean_exp(double sum, int n) {
    return n > 0 ? std::exp(sum / n) : 1;
}

}  // namespace

double Divergence::perplexity() const {
    return mean_exp(loss, n_following);
}

double Divergence::reference_perplexity() const {
    return mean_exp(reference_loss, n_following);
}

void add_place(Divergence& to, std::span<const float> reference, std::span<const float> logits,
               int32_t following) {
    const double p_norm = log_of_sum(reference), q_norm = log_of_sum(logits);
    double kl = 0;
    for (size_t i = 0; i < logits.size(); i++) {
        const double log_p = reference[i] - p_norm;
        kl += std::exp(log_p) * (log_p - (logits[i] - q_norm));
    }
    kl = std::max(kl, 0.0);  // which rounding may have made it less than
    const auto best = [](std::span<const float> of) {
        return std::max_element(of.begin(), of.end()) - of.begin();
    };
    to.n_places++;
    to.kl_sum += kl, to.kl_most = std::max(to.kl_most, kl);
    to.n_same += best(reference) == best(logits);
    if (following < 0) return;
    to.n_following++;
    to.loss += q_norm - logits[size_t(following)];
    to.reference_loss += p_norm - reference[size_t(following)];
}

}  // namespace qwend
