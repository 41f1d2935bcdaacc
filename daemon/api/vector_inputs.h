#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/api_error.h"
#include "daemon/api/generation.h"
#include "daemon/api/model_text.h"
#include "daemon/api/vector_task.h"

namespace qwend {

/// What vectors a model makes, by its head.
enum class VectorKind {
    embedding,  // of a text
    classes,    // of a text: a number for each label
    reward,     // of each token: one number
    steps,      // of each step of a text: how likely it is wrong, and right
};
VectorKind vector_kind(const ModelConfig& config);

/// For a route that wants embeddings, or scores, of a model that makes something else: a 400 that
/// says what it makes, and where.
ApiError makes_no(std::string_view what, const ModelText& model);

/// What a text is to others, which decides what stands before it.
enum class TextRole { any, query, document };

/// How texts become inputs.
struct InputOptions {
    std::optional<std::string> prompt_name;     // of the model's prompts; absent: its default
    std::optional<bool> add_special_tokens;     // absent: as the tokenizer has them
    std::optional<int> truncate_prompt_tokens;  // how many are kept; or kToContext
    bool keeps_end = false;                     // of a text that is truncated; else its beginning
};

/// Encodes texts for a model whose context is `context_limit`. Any thread.
class InputEncoder {
  public:
    InputEncoder(const ModelText& model, int context_limit, InputOptions options)
        : model_(model), context_limit_(context_limit), options_(std::move(options)) {}

    /// Appends a text, cut to `most` tokens, or token ids as they are; `param` names it for an
    /// error, which stops everything: false then.
    bool add(const Prompt& input, const std::string& param, TextRole role = TextRole::any,
             std::optional<int> most = {});
    /// Appends two texts as one: a query and a document, which is cut to `most` tokens.
    bool add_pair(const std::string& query, const std::string& document, const std::string& param,
                  std::optional<int> most);
    /// Appends tokens as they are, as of a conversation that was rendered already.
    bool add_tokens(std::vector<int32_t> tokens, const std::string& param);

    std::vector<VectorInput> take() { return std::move(inputs_); }
    const std::optional<ApiError>& error() const { return error_; }

  private:
    bool fail(ApiError error);
    const std::string* prompt(TextRole role);
    bool add_chat(const std::string& prompt, const std::string& text, const std::string& param);
    std::vector<int32_t> finished(std::vector<int32_t> tokens) const;
    void truncate(std::vector<int32_t>& tokens, size_t n_special) const;
    size_t n_special() const { return finished({}).size(); }

    const ModelText& model_;
    const int context_limit_;
    const InputOptions options_;
    std::vector<VectorInput> inputs_;
    size_t n_tokens_ = 0;  // of all
    std::optional<ApiError> error_;
};

}  // namespace qwend
