#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/api_error.h"
#include "daemon/api/generation.h"
#include "daemon/api/openai/request.h"

namespace qwend {

/// Which requests a field belongs to.
enum VectorScope : unsigned {
    kEmbeddings = 1,
    kClassify = 2,
    kPooling = 4,
    kScore = 8,
    kRerank = 16,
    kOfTexts = kEmbeddings | kClassify | kPooling,
    kOfPairs = kScore | kRerank,
    kAnyVectors = kOfTexts | kOfPairs,
};

/// A body that asks for vectors, or for what is made of them. Sources: OpenAI's API reference for
/// embeddings; vLLM's pooling entry points; Jina's, Cohere's and text-embeddings-inference's
/// rerankers.
struct VectorRequest {
    OpenAiRequest common;        // its style, its messages, and what any request may say
    std::vector<Prompt> inputs;  // of kOfTexts
    bool lists_inputs = false;   // so that one is named by its place
    std::vector<std::string> queries, documents;  // of kOfPairs
    std::string queries_field = "text_1", documents_field = "text_2";
    bool is_tei = false;  // documents were named as text-embeddings-inference has them

    bool base64 = false;
    std::optional<int> dimensions;
    std::optional<bool> activates;  // normalises embeddings, makes probabilities of scores
    std::string task;               // of kPooling; empty: what the model does
    std::optional<std::string> prompt_name;
    bool keeps_end = false;  // of what is truncated
    int top_n = 0;           // of kRerank; 0: all
    std::optional<int> max_tokens_per_document;
    bool returns_documents = true;
};

/// Parses `body`, as a request of `scope`. On error it returns it, and `request` is of no use, but
/// for its unknown fields.
std::optional<ApiError> parse_vector_request(std::string_view body, unsigned scope,
                                             const RulesOf& rules_of, VectorRequest& request);

}  // namespace qwend
