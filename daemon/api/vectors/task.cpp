#include "daemon/api/vectors/task.h"

#include <fmt/format.h>

#include <memory>
#include <string_view>
#include <utility>

#include "daemon/api/vector_inputs.h"
#include "daemon/api/vectors/renderers.h"
#include "model/text/chat.h"

namespace qwend {

namespace {

/// Numbers of a text's vectors, as many as may wait to be read, where each token has one.
constexpr size_t kMaxListed = 1 << 24;

/// A request on its way to a task.
class TaskMaker {
  public:
    TaskMaker(VectorRequest request, unsigned scope, const Model& model, VectorTask& task)
        : request_(std::move(request)),
          scope_(scope),
          text_(*model.text),
          kind_(vector_kind(text_.config)),
          size_(size_t(model.engine.backend_info()->vector_size)),
          encoder_(text_, model.context_limit(), input_options()),
          task_(task) {}

    std::optional<ApiError> make(const std::string& request_id) {
        if (auto error = choose()) return error;
        if (auto error = encode()) return error;
        task_.priority = request_.common.generation.priority;
        task_.cache_salt = request_.common.generation.cache_salt;
        task_.renderer = renderer(style(request_id));
        return std::nullopt;
    }

  private:
    InputOptions input_options() const;
    std::optional<ApiError> choose();
    std::optional<ApiError> choose_pooling();
    std::optional<ApiError> encode();
    bool encode_texts();
    std::optional<ApiError> encode_messages();
    bool encode_pairs();
    VectorStyle style(const std::string& request_id);
    std::unique_ptr<VectorRenderer> renderer(VectorStyle style) const;

    bool embeds() const { return kind_ == VectorKind::embedding; }

    VectorRequest request_;
    const unsigned scope_;
    const ModelText& text_;
    const VectorKind kind_;
    const size_t size_;  // of a vector
    InputEncoder encoder_;
    VectorTask& task_;
    bool gives_each_ = false;  // a list of vectors of every text
};

InputOptions TaskMaker::input_options() const {
    const Generation& common = request_.common.generation;
    return {request_.prompt_name, common.add_special_tokens, common.truncate_prompt_tokens,
            request_.keeps_end};
}

/// What the route gives, as far as the model can.
std::optional<ApiError> TaskMaker::choose() {
    task_.pooling = embeds() ? text_.embedder.pooling : Pooling::last;
    switch (scope_) {
        case kPooling:
            return choose_pooling();
        case kEmbeddings:
            if (!embeds()) return makes_no("embeddings", text_);
            break;
        case kClassify:
            if (embeds() || kind_ == VectorKind::steps) return makes_no("classes", text_);
            break;
        default:
            if (!embeds() && !(kind_ == VectorKind::classes && size_ == 1))
                return makes_no("scores of pairs", text_);
    }
    if (request_.dimensions && size_t(*request_.dimensions) > size_)
        return bad_request(
            fmt::format("dimensions: the model has {}, found {}", size_, *request_.dimensions),
            "dimensions");
    return std::nullopt;
}

std::optional<ApiError> TaskMaker::choose_pooling() {
    const std::string_view task = request_.task;
    if (!task.empty() && embeds() != task.ends_with("embed"))
        return bad_request(fmt::format("task: the model \"{}\" does not {}", text_.names[0], task),
                           "task");
    const bool rewards = kind_ == VectorKind::reward || kind_ == VectorKind::steps;
    gives_each_ = task.empty() ? rewards : task.starts_with("token_");
    if (kind_ == VectorKind::steps) gives_each_ = true, task_.only_token = text_.step_end_id;
    if (gives_each_) task_.pooling = Pooling::each;
    return std::nullopt;
}

std::optional<ApiError> TaskMaker::encode() {
    if (!request_.common.generation.messages.empty()) {
        if (auto error = encode_messages()) return error;
    } else if (!(scope_ & kOfPairs ? encode_pairs() : encode_texts())) {
        return encoder_.error();
    }
    task_.inputs = encoder_.take();
    for (const VectorInput& input : task_.inputs)
        if (gives_each_ && embeds() && input.tokens.size() * size_ > kMaxListed)
            return bad_request(fmt::format("input: a vector of each token is for at most {} tokens",
                                           kMaxListed / size_),
                               "input");
    return std::nullopt;
}

bool TaskMaker::encode_texts() {
    for (size_t i = 0; i < request_.inputs.size(); i++) {
        const std::string at = request_.lists_inputs ? fmt::format("input[{}]", i) : "input";
        if (!encoder_.add(request_.inputs[i], at)) return false;
    }
    return true;
}

std::optional<ApiError> TaskMaker::encode_messages() {
    const Generation& common = request_.common.generation;
    const RenderResult rendered =
        render_chat(text_.chat_template, common.messages, common.chat_options);
    if (!rendered.error.empty())
        return bad_request(rendered.error_param + ": " + rendered.error, rendered.error_param);
    encoder_.add_tokens(text_.tokenizer.encode(rendered.prompt.text, rendered.prompt.control_spans),
                        "messages");
    return encoder_.error();
}

/// Each pair is one text to a classifier. What embeds sees a query once, where there is only one.
bool TaskMaker::encode_pairs() {
    const std::vector<std::string>& queries = request_.queries;
    const bool ranks = scope_ == kRerank;
    const auto most = request_.max_tokens_per_document;
    for (size_t i = 0; i < request_.documents.size(); i++) {
        const std::string& query = queries[queries.size() == 1 ? 0 : i];
        const std::string& document = request_.documents[i];
        const std::string at = fmt::format("{}[{}]", request_.documents_field, i);
        if (!embeds()) {
            if (!encoder_.add_pair(query, document, at, most)) return false;
            continue;
        }
        if ((i == 0 || queries.size() > 1) &&
            !encoder_.add(query, request_.queries_field, ranks ? TextRole::query : TextRole::any))
            return false;
        if (!encoder_.add(document, at, ranks ? TextRole::document : TextRole::any, most))
            return false;
    }
    return true;
}

VectorStyle TaskMaker::style(const std::string& request_id) {
    const OpenAiStyle& common = request_.common.style;
    VectorStyle style;
    style.model = common.model.empty() ? text_.names[0] : common.model;
    style.id = common.request_id.empty() ? request_id : common.request_id;
    style.base64 = request_.base64;
    style.dimensions = request_.dimensions;
    style.normalizes = embeds() && request_.activates.value_or(text_.embedder.normalizes);
    style.size = size_;
    if (request_.activates.value_or(true)) {
        if (kind_ == VectorKind::classes) style.activation = score_activation(text_.config, size_);
        if (kind_ == VectorKind::steps) style.activation = ScoreActivation::softmax;
    }
    style.labels = text_.config.labels;
    style.compares = embeds();
    style.n_queries = request_.queries.size();
    if (request_.returns_documents) style.documents = std::move(request_.documents);
    style.top_n = request_.top_n;
    style.is_tei = request_.is_tei;
    return style;
}

std::unique_ptr<VectorRenderer> TaskMaker::renderer(VectorStyle style) const {
    switch (scope_) {
        case kEmbeddings:
            return embeddings_renderer(std::move(style));
        case kClassify:
            return classify_renderer(std::move(style));
        case kPooling:
            return pooling_renderer(std::move(style), gives_each_);
        case kScore:
            return score_renderer(std::move(style));
        default:
            return rerank_renderer(std::move(style));
    }
}

}  // namespace

std::optional<ApiError> make_vector_task(VectorRequest request, unsigned scope,
                                         const std::string& request_id, const ModelPtr& model,
                                         VectorTask& task) {
    if (model->engine.backend_info()->max_vectors == 0)
        return bad_request(fmt::format("what serves this model here ({}) makes no vectors of texts",
                                       model->engine.backend_info()->device),
                           "model", "unsupported_model");
    task.model = model;
    return TaskMaker(std::move(request), scope, *model, task).make(request_id);
}

}  // namespace qwend
