#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/config.h"

namespace qwend {

// What becomes of a vector behind the model: each is short, and exact in double where it sums.

/// To length 1; a vector of zeros stays one.
void normalize(std::span<float> vector);

/// The first dimensions only.
void cut(std::vector<float>& vector, std::optional<int> dimensions);

/// Of two vectors of the same size; 0 where one is nothing but zeros.
double cosine(std::span<const float> a, std::span<const float> b);

/// What makes scores of a classifier's numbers.
enum class ScoreActivation { none, sigmoid, softmax };
/// By config.json's problem_type; where that is silent, a single number goes through a sigmoid and
/// several through a softmax, as in sentence-transformers and vLLM.
ScoreActivation score_activation(const ModelConfig& config, size_t n_labels);
void activate_scores(ScoreActivation activation, std::span<float> scores);

/// As a JSON array, each number by the fewest digits that read back the same.
void append_numbers(std::string& out, std::span<const float> numbers);
/// The bytes of the numbers, little-endian, in base64, as a JSON string.
void append_base64(std::string& out, std::span<const float> numbers);

}  // namespace qwend
