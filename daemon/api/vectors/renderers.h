#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/api/vector_task.h"
#include "daemon/api/vector_values.h"
#include "daemon/api/vectors/request.h"

namespace qwend {

/// How an answer is to look, and what numbers become in it.
struct VectorStyle {
    std::string model, id;  // as the answer names them
    bool base64 = false;
    std::optional<int> dimensions;
    bool normalizes = true;  // embeddings
    size_t size = 0;         // of each vector; a list of them has several
    ScoreActivation activation = ScoreActivation::none;  // of a classifier's numbers
    std::vector<std::string> labels;
    // Of pairs.
    bool compares = false;  // two embeddings are compared; else a pair is one input, with one score
    size_t n_queries = 1;
    std::vector<std::string> documents;  // that are returned; empty: none is
    int top_n = 0;
    bool is_tei = false;
};

/// OpenAI's list of embeddings.
std::unique_ptr<VectorRenderer> embeddings_renderer(VectorStyle style);
/// vLLM's list of labels with their probabilities.
std::unique_ptr<VectorRenderer> classify_renderer(VectorStyle style);
/// vLLM's list of what pooling gave, be it a vector or a list of them.
std::unique_ptr<VectorRenderer> pooling_renderer(VectorStyle style, bool is_list);
/// vLLM's list of scores, in the order of the pairs. Where two embeddings are compared the inputs
/// are a query and its documents, or else query, document, query, document.
std::unique_ptr<VectorRenderer> score_renderer(VectorStyle style);
/// Jina's and Cohere's results, or text-embeddings-inference's, the best first.
std::unique_ptr<VectorRenderer> rerank_renderer(VectorStyle style);

}  // namespace qwend
