#include "model/sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace qwend {

namespace {

constexpr float kMasked = -std::numeric_limits<float>::infinity();

struct Candidate {
    int32_t token;
    float logit;
};

/// Likelier first; equal logits in order of id, so that every sort here has one right answer.
bool likelier(const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

/// NaN would make comparisons, and so the draw, depend on order. As infinity it is the likeliest
/// and found where the likeliest is looked at.
void clean(std::span<float> logits) {
    for (float& logit : logits)
        if (std::isnan(logit)) logit = std::numeric_limits<float>::infinity();
}

void apply_bias_and_masks(std::span<float> logits, const SamplingParams& params, size_t n_output,
                          std::span<const uint32_t> mask) {
    for (auto [token, bias] : params.logit_bias)
        // A logit that is no number is infinity here, and their sum would be none again.
        if (size_t(token) < logits.size())
            logits[token] = bias == kMasked ? kMasked : logits[token] + bias;
    if (!params.allowed_token_ids.empty()) {
        std::vector<std::pair<int32_t, float>> kept;
        for (int32_t token : params.allowed_token_ids)
            if (size_t(token) < logits.size()) kept.emplace_back(token, logits[token]);
        std::fill(logits.begin(), logits.end(), kMasked);
        for (auto [token, logit] : kept) logits[token] = logit;
    }
    if (!mask.empty())
        for (size_t id = 0; id < logits.size(); id++)
            if (!(mask[id / 32] >> (id % 32) & 1)) logits[id] = kMasked;
    if (n_output < size_t(std::max(params.min_tokens, 0)))
        for (int32_t token : params.stop_token_ids)
            if (size_t(token) < logits.size()) logits[token] = kMasked;
}

void apply_penalties(std::span<float> logits, const SamplingParams& params,
                     std::span<const int32_t> prompt, std::span<const int32_t> output) {
    if (params.repetition_penalty == 1 && params.presence_penalty == 0 &&
        params.frequency_penalty == 0)
        return;
    std::unordered_map<int32_t, int> counts;  // in the output; 0 for prompt-only tokens
    counts.reserve(prompt.size() + output.size());
    for (int32_t token : prompt) counts.emplace(token, 0);
    for (int32_t token : output) counts[token]++;
    for (auto [token, count] : counts) {
        if (size_t(token) >= logits.size()) continue;
        float& logit = logits[token];
        logit = logit > 0 ? logit / params.repetition_penalty : logit * params.repetition_penalty;
        if (count > 0) logit -= params.frequency_penalty * float(count) + params.presence_penalty;
    }
}

int32_t argmax(std::span<const float> logits) {
    float best = *std::max_element(logits.begin(), logits.end());
    return int32_t(std::find(logits.begin(), logits.end(), best) - logits.begin());
}

/// The candidates that survive min-p and top-k; in order of id if top-k is off.
std::vector<Candidate> select(std::span<const float> logits, const SamplingParams& params,
                              float max_logit) {
    // min-p in the logit domain: p >= min_p * p_max  <=>  logit >= max + T * log(min_p).
    float floor = params.min_p > 0 ? max_logit + params.temperature * std::log(params.min_p)
                                   : std::numeric_limits<float>::lowest();
    std::vector<Candidate> kept;
    size_t k = params.top_k > 0 ? size_t(params.top_k) : logits.size();
    if (k >= logits.size()) {
        for (size_t i = 0; i < logits.size(); i++)
            if (logits[i] >= floor) kept.push_back({int32_t(i), logits[i]});
        return kept;
    }
    // A buffer of 2k candidates is cut back to the best k whenever it fills; the k-th best so far
    // is a rising floor that turns almost every logit away with one comparison.
    kept.reserve(2 * k);
    for (size_t i = 0; i < logits.size(); i++) {
        if (!(logits[i] >= floor)) continue;
        kept.push_back({int32_t(i), logits[i]});
        if (kept.size() < 2 * k) continue;
        std::nth_element(kept.begin(), kept.begin() + (k - 1), kept.end(), likelier);
        kept.resize(k);
        floor = std::max(floor, kept[k - 1].logit);
    }
    if (kept.size() > k) {
        std::nth_element(kept.begin(), kept.begin() + (k - 1), kept.end(), likelier);
        kept.resize(k);
    }
    return kept;
}

/// Moves the smallest likeliest set whose weight reaches top_p of the total to the front and
/// returns its size, without sorting more than about that set.
size_t nucleus(std::vector<Candidate>& candidates, double limit,
               const std::function<double(const Candidate&)>& weight, double& sum) {
    size_t n = 0;
    sum = 0;
    for (size_t sorted = 0, wanted = 64; sorted < candidates.size(); wanted *= 4) {
        const auto begin = candidates.begin() + ptrdiff_t(sorted);
        const auto end = candidates.begin() + ptrdiff_t(std::min(wanted, candidates.size()));
        if (end != candidates.end()) std::nth_element(begin, end, candidates.end(), likelier);
        std::sort(begin, end, likelier);
        sorted = size_t(end - candidates.begin());
        while (n < sorted && (sum < limit || n == 0)) sum += weight(candidates[n++]);
        if (sum >= limit) break;
    }
    return n;
}

/// Draws from the candidates, cut to the nucleus first, in order of id: so that the draw does not
/// depend on how the candidates were found, and a device need not sort them.
int32_t draw(std::vector<Candidate> candidates, const SamplingParams& params, float max_logit,
             double uniform) {
    auto weight = [&](const Candidate& c) {
        return std::exp(double(c.logit - max_logit) / params.temperature);
    };
    if (params.top_p < 1) {
        double total = 0, kept = 0;
        for (auto& c : candidates) total += weight(c);
        candidates.resize(nucleus(candidates, total * params.top_p, weight, kept));
    }
    if (params.top_k > 0 || params.top_p < 1)
        std::sort(candidates.begin(), candidates.end(),
                  [](auto& a, auto& b) { return a.token < b.token; });
    double total = 0, sum = 0;
    for (auto& c : candidates) total += weight(c);
    const double target = uniform * total;
    for (auto& c : candidates)
        if ((sum += weight(c)) > target) return c.token;
    return candidates.back().token;
}

/// log softmax of the raw logits: the k likeliest and the normaliser.
struct RawLogprobs {
    double log_sum;
    std::vector<TokenLogprob> top;
};

RawLogprobs raw_logprobs(std::span<const float> logits, int k) {
    float max_logit = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (float logit : logits) sum += std::exp(double(logit - max_logit));
    RawLogprobs raw{max_logit + std::log(sum), {}};
    SamplingParams top_k;
    top_k.top_k = std::min<int>(k, int(logits.size()));
    if (k <= 0) return raw;
    auto best = select(logits, top_k, max_logit);
    std::sort(best.begin(), best.end(), likelier);
    for (auto& c : best) raw.top.push_back({c.token, float(c.logit - raw.log_sum)});
    return raw;
}

}  // namespace

bool masks_everything(const SamplingParams& params) {
    std::unordered_set<int32_t> masked;
    if (params.min_tokens > 0)
        masked.insert(params.stop_token_ids.begin(), params.stop_token_ids.end());
    for (auto [token, bias] : params.logit_bias)
        if (bias == kMasked) masked.insert(token);
    return !params.allowed_token_ids.empty() &&
           std::ranges::all_of(params.allowed_token_ids,
                               [&](int32_t token) { return masked.contains(token); });
}

void make_distinct(SamplingParams& params) {
    auto& bias = params.logit_bias;
    std::unordered_map<int32_t, float> last;
    for (auto [token, value] : bias) last[token] = value;
    // In the order of their first mention, so that nothing depends on the hash.
    size_t n_kept = 0;
    for (auto [token, value] : bias)
        if (auto found = last.extract(token)) bias[n_kept++] = {token, found.mapped()};
    bias.resize(n_kept);
    for (auto* ids : {&params.allowed_token_ids, &params.stop_token_ids}) {
        std::sort(ids->begin(), ids->end());
        ids->erase(std::unique(ids->begin(), ids->end()), ids->end());
    }
}

float philox_uniform(uint64_t seed, uint64_t index) {
    uint32_t counter[4] = {uint32_t(index), uint32_t(index >> 32), 0, 0};
    uint32_t key[2] = {uint32_t(seed), uint32_t(seed >> 32)};
    for (int round = 0; round < 10; round++) {
        uint64_t a = uint64_t{0xD2511F53u} * counter[0];
        uint64_t b = uint64_t{0xCD9E8D57u} * counter[2];
        uint32_t next[4] = {uint32_t(b >> 32) ^ counter[1] ^ key[0], uint32_t(b),
                            uint32_t(a >> 32) ^ counter[3] ^ key[1], uint32_t(a)};
        std::copy(next, next + 4, counter);
        key[0] += 0x9E3779B9u, key[1] += 0xBB67AE85u;
    }
    return float(counter[0] >> 8) * 0x1p-24f;
}

SampledToken sample(std::span<float> logits, const SamplingParams& params,
                    std::span<const int32_t> prompt, std::span<const int32_t> output,
                    std::span<const uint32_t> mask) {
    SampledToken sampled;
    clean(logits);
    std::vector<float> raw;
    RawLogprobs logprobs{};
    if (params.n_logprobs >= 0) {
        if (!std::isfinite(logits[argmax(logits)])) return {kNotANumber, 0, {}};
        raw.assign(logits.begin(), logits.end());
        logprobs = raw_logprobs(logits, params.n_logprobs);
    }
    apply_bias_and_masks(logits, params, output.size(), mask);
    apply_penalties(logits, params, prompt, output);
    sampled.token = argmax(logits);
    const float max_logit = logits[sampled.token];
    if (!std::isfinite(max_logit)) return {max_logit > 0 ? kNotANumber : kNoToken, 0, {}};
    if (params.temperature > 0)
        sampled.token = draw(select(logits, params, max_logit), params, max_logit,
                             philox_uniform(params.seed, output.size()));
    if (params.n_logprobs >= 0) {
        sampled.logprob = float(raw[sampled.token] - logprobs.log_sum);
        sampled.top = std::move(logprobs.top);
    }
    return sampled;
}

ScoredToken score(std::span<float> logits, int32_t token, int n_logprobs) {
    clean(logits);
    RawLogprobs raw = raw_logprobs(logits, n_logprobs);
    if (!std::isfinite(raw.log_sum)) return {{kNotANumber, 0, {}}, 0};
    const bool is_valid = size_t(token) < logits.size();
    const Candidate given{token, is_valid ? logits[token] : kMasked};
    ScoredToken scored{{token, float(given.logit - raw.log_sum), std::move(raw.top)}, 1};
    for (size_t i = 0; i < logits.size(); i++)
        scored.rank += likelier({int32_t(i), logits[i]}, given);
    return scored;
}

}  // namespace qwend
