#include "daemon/api/vector_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace qwend {

namespace {

double dot(std::span<const float> a, std::span<const float> b) {
    double sum = 0;
    for (size_t i = 0; i < a.size(); i++) sum += double(a[i]) * double(b[i]);
    return sum;
}

float sigmoid(float x) {
    const double e = std::exp(-std::fabs(double(x)));
    return float((x < 0 ? e : 1) / (1 + e));
}

/// Byte `at` of the numbers as they are written little-endian.
uint32_t byte_of(std::span<const float> numbers, size_t at) {
    return (std::bit_cast<uint32_t>(numbers[at / 4]) >> (8 * (at % 4))) & 0xff;
}

}  // namespace

void normalize(std::span<float> vector) {
    const double length = std::sqrt(dot(vector, vector));
    if (length == 0) return;
    for (float& x : vector) x = float(x / length);
}

void cut(std::vector<float>& vector, std::optional<int> dimensions) {
    if (dimensions) vector.resize(std::min(vector.size(), size_t(*dimensions)));
}

double cosine(std::span<const float> a, std::span<const float> b) {
    const double lengths = std::sqrt(dot(a, a)) * std::sqrt(dot(b, b));
    return lengths == 0 ? 0 : dot(a, b) / lengths;
}

ScoreActivation score_activation(const ModelConfig& config, size_t n_labels) {
    if (config.problem_type == "regression") return ScoreActivation::none;
    if (config.problem_type == "single_label_classification") return ScoreActivation::softmax;
    if (config.problem_type == "multi_label_classification") return ScoreActivation::sigmoid;
    return n_labels < 2 ? ScoreActivation::sigmoid : ScoreActivation::softmax;
}

void activate_scores(ScoreActivation activation, std::span<float> scores) {
    if (activation == ScoreActivation::sigmoid)
        for (float& x : scores) x = sigmoid(x);
    if (activation != ScoreActivation::softmax || scores.empty()) return;
    const float most = *std::ranges::max_element(scores);
    double sum = 0;
    for (const float x : scores) sum += std::exp(double(x) - most);
    for (float& x : scores) x = float(std::exp(double(x) - most) / sum);
}

void append_numbers(std::string& out, std::span<const float> numbers) {
    out += '[';
    for (size_t i = 0; i < numbers.size(); i++) {
        if (i > 0) out += ',';
        fmt::format_to(std::back_inserter(out), "{}", numbers[i]);
    }
    out += ']';
}

void append_base64(std::string& out, std::span<const float> numbers) {
    constexpr const char* kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t n_bytes = numbers.size() * 4;
    out += '"';
    for (size_t at = 0; at < n_bytes; at += 3) {
        const size_t n = std::min<size_t>(3, n_bytes - at);
        uint32_t bits = 0;
        for (size_t i = 0; i < n; i++) bits |= byte_of(numbers, at + i) << (16 - 8 * i);
        for (size_t i = 0; i < 4; i++) out += i <= n ? kDigits[(bits >> (18 - 6 * i)) & 63] : '=';
    }
    out += '"';
}

}  // namespace qwend
