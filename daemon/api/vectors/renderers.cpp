#include "daemon/api/vectors/renderers.h"

#include <algorithm>
#include <ctime>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

#include "daemon/api/json_writer.h"

namespace qwend {

namespace {

/// OpenAI's object around a list: what comes before its elements, and behind them.
class ListRenderer : public VectorRenderer {
  public:
    explicit ListRenderer(VectorStyle style) : style_(std::move(style)) {}

    bool finish(int64_t n_tokens, std::string& out) override {
        open(out);
        JsonWriter w;
        w.begin_object().key("prompt_tokens").integer(n_tokens);
        w.key("total_tokens").integer(n_tokens).end_object();
        out += R"(],"usage":)" + w.take() + "}";
        return false;
    }

  protected:
    /// The number of the element that is to follow.
    int64_t begin_element(std::string& out) {
        open(out);
        if (n_ > 0) out += ',';
        return n_++;
    }

    const VectorStyle style_;

  private:
    void open(std::string& out) {
        if (std::exchange(is_open_, true)) return;
        JsonWriter w;
        w.begin_object().key("id").string(style_.id).key("object").string("list");
        w.key("created").integer(std::time(nullptr)).key("model").string(style_.model);
        w.key("data").begin_array();
        out += w.take();
    }

    bool is_open_ = false;
    int64_t n_ = 0;
};

void append_vector(const VectorStyle& style, std::span<const float> vector, std::string& out) {
    style.base64 ? append_base64(out, vector) : append_numbers(out, vector);
}

std::vector<float> finished_embedding(const VectorStyle& style, std::vector<float> vector) {
    cut(vector, style.dimensions);
    if (style.normalizes) normalize(vector);
    return vector;
}

class EmbeddingsRenderer final : public ListRenderer {
  public:
    using ListRenderer::ListRenderer;

    void add(std::vector<float> vector, std::string& out) override {
        JsonWriter w;
        w.begin_object().key("object").string("embedding");
        w.key("index").integer(begin_element(out));
        w.key("embedding");
        out += w.take();
        append_vector(style_, finished_embedding(style_, std::move(vector)), out);
        out += '}';
    }
};

class ClassifyRenderer final : public ListRenderer {
  public:
    using ListRenderer::ListRenderer;

    void add(std::vector<float> scores, std::string& out) override {
        activate_scores(style_.activation, scores);
        const auto best = size_t(std::ranges::max_element(scores) - scores.begin());
        JsonWriter w;
        w.begin_object().key("index").integer(begin_element(out)).key("label");
        if (best < style_.labels.size() && !style_.labels[best].empty())
            w.string(style_.labels[best]);
        else
            w.string("LABEL_" + std::to_string(best));  // transformers' name
        w.key("probs");
        out += w.take();
        append_numbers(out, scores);
        JsonWriter rest;
        out += ",\"num_classes\":" + rest.integer(int64_t(scores.size())).take() + "}";
    }
};

class PoolingRenderer final : public ListRenderer {
  public:
    PoolingRenderer(VectorStyle style, bool is_list)
        : ListRenderer(std::move(style)), is_list_(is_list) {}

    void add(std::vector<float> vector, std::string& out) override {
        if (!std::exchange(is_begun_, true))
            begin(out);
        else
            out += ',';
        activate_scores(style_.activation, vector);
        append_vector(style_, finished_embedding(style_, std::move(vector)), out);
    }
    void end_input(std::string& out) override {
        if (!std::exchange(is_begun_, false)) begin(out), is_begun_ = false;
        out += is_list_ ? "]}" : "}";
    }

  private:
    void begin(std::string& out) {
        JsonWriter w;
        w.begin_object().key("index").integer(begin_element(out));
        w.key("object").string("pooling").key("data");
        out += w.take();
        if (is_list_) out += '[';
    }

    const bool is_list_;
    bool is_begun_ = false;  // the input has a vector
};

/// What becomes of the vectors of pairs: a score each.
class PairScores {
  public:
    explicit PairScores(const VectorStyle& style) : style_(style) {}

    /// Takes the next input's in; a score, where one is known by it.
    std::optional<double> add(std::vector<float> vectors) {
        if (!style_.compares) {
            activate_scores(style_.activation, vectors);
            return vectors.empty() ? 0.0 : double(vectors[0]);
        }
        const bool is_query = style_.n_queries == 1 ? n_++ == 0 : n_++ % 2 == 0;
        if (!is_query) return cosine(query_, vectors);
        query_ = std::move(vectors);
        return std::nullopt;
    }

  private:
    const VectorStyle& style_;
    size_t n_ = 0;
    std::vector<float> query_;
};

void write_usage(JsonWriter& w, int64_t n_tokens) {
    w.key("usage").begin_object().key("prompt_tokens").integer(n_tokens);
    w.key("total_tokens").integer(n_tokens).end_object();
}

class ScoreRenderer final : public VectorRenderer {
  public:
    explicit ScoreRenderer(VectorStyle style) : style_(std::move(style)), scores_(style_) {
        w_.begin_object().key("id").string(style_.id).key("object").string("list");
        w_.key("created").integer(std::time(nullptr)).key("model").string(style_.model);
        w_.key("data").begin_array();
    }

    void add(std::vector<float> vectors, std::string&) override {
        const auto score = scores_.add(std::move(vectors));
        if (!score) return;
        w_.begin_object().key("index").integer(n_++).key("object").string("score");
        w_.key("score").number(*score).end_object();
    }
    bool finish(int64_t n_tokens, std::string& out) override {
        w_.end_array();
        write_usage(w_, n_tokens);
        out += w_.end_object().take();
        return false;
    }

  private:
    const VectorStyle style_;
    PairScores scores_;
    JsonWriter w_;
    int64_t n_ = 0;
};

class RerankRenderer final : public VectorRenderer {
  public:
    explicit RerankRenderer(VectorStyle style) : style_(std::move(style)), pairs_(style_) {}

    void add(std::vector<float> vectors, std::string&) override {
        if (const auto score = pairs_.add(std::move(vectors))) scores_.push_back(*score);
    }

    bool finish(int64_t n_tokens, std::string& out) override {
        if (order_.empty() && next_ == 0) begin(n_tokens, out);
        const size_t n_before = out.size();
        while (next_ < order_.size() && out.size() - n_before < kPartBytes) append_result(out);
        if (next_ < order_.size()) return true;
        out += style_.is_tei ? "]" : "]}";
        return false;
    }

  private:
    static constexpr size_t kPartBytes = 64 << 10;

    void begin(int64_t n_tokens, std::string& out) {
        order_.resize(scores_.size());
        std::iota(order_.begin(), order_.end(), size_t(0));
        std::ranges::stable_sort(order_,
                                 [&](size_t a, size_t b) { return scores_[a] > scores_[b]; });
        if (style_.top_n > 0) order_.resize(std::min(order_.size(), size_t(style_.top_n)));
        JsonWriter w;
        if (!style_.is_tei) {
            w.begin_object().key("id").string(style_.id).key("model").string(style_.model);
            write_usage(w, n_tokens);
            w.key("results");
        }
        out += w.begin_array().take();
    }

    void append_result(std::string& out) {
        if (next_ > 0) out += ',';
        const size_t index = order_[next_++];
        JsonWriter w;
        w.begin_object().key("index").integer(int64_t(index));
        w.key(style_.is_tei ? "score" : "relevance_score").number(scores_[index]);
        if (index < style_.documents.size()) write_document(w, style_.documents[index]);
        out += w.end_object().take();
    }

    void write_document(JsonWriter& w, const std::string& text) const {
        if (style_.is_tei)
            w.key("text").string(text);
        else
            w.key("document").begin_object().key("text").string(text).end_object();
    }

    const VectorStyle style_;
    PairScores pairs_;
    std::vector<double> scores_;
    std::vector<size_t> order_;  // of documents, once all have their scores
    size_t next_ = 0;            // of them, to be written
};

}  // namespace

std::unique_ptr<VectorRenderer> embeddings_renderer(VectorStyle style) {
    return std::make_unique<EmbeddingsRenderer>(std::move(style));
}

std::unique_ptr<VectorRenderer> classify_renderer(VectorStyle style) {
    return std::make_unique<ClassifyRenderer>(std::move(style));
}

std::unique_ptr<VectorRenderer> pooling_renderer(VectorStyle style, bool is_list) {
    return std::make_unique<PoolingRenderer>(std::move(style), is_list);
}

std::unique_ptr<VectorRenderer> score_renderer(VectorStyle style) {
    return std::make_unique<ScoreRenderer>(std::move(style));
}

std::unique_ptr<VectorRenderer> rerank_renderer(VectorStyle style) {
    return std::make_unique<RerankRenderer>(std::move(style));
}

}  // namespace qwend
