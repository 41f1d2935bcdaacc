#include "model/weights.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "model/embedder_config.h"
#include "model/error.h"
#include "model/gguf/files.h"
#include "model/gguf/names.h"
#include "model/gguf_config.h"
#include "model/quantized/at_load.h"
#include "model/quantized/find.h"
#include "model/quantized/find_blocks.h"
#include "model/quantized/refusal.h"
#include "model/safetensors.h"

namespace qwend {

namespace {

/// Looks tensors up by name and insists on their shape and on a type that can be read.
class TensorFinder {
  public:
    /// `scheme`: null where nothing is quantised; what it points to has to stay.
    TensorFinder(const TensorFiles& files, const std::filesystem::path& dir,
                 const QuantScheme* scheme = nullptr, bool is_gguf = false,
                 const QuantizeAtLoad& at_load = {})
        : files_(files), dir_(dir), has_scheme_(scheme), is_gguf_(is_gguf), at_load_(at_load) {
        if (scheme && !is_gguf) quantized_.emplace(files_, dir_, *scheme);
        // A model saved without its head has names without "model.".
        if (!files.find("model.embed_tokens.weight") && files.find("embed_tokens.weight"))
            prefix_ = "";
    }

    /// Of the network below the head.
    StoredTensor get(const std::string& name, std::vector<int64_t> shape) const {
        return get_named(prefix_ + name, std::move(shape));
    }

    StoredTensor get_named(const std::string& name, std::vector<int64_t> shape) const {
        const StoredTensor* tensor = files_.find(name);
        if (!tensor)
            fail(name,
                 fmt::format("expected shape [{}], found no such tensor", fmt::join(shape, ", ")));
        if (tensor->dtype == DType::other && !tensor->blocks)
            fail(name, fmt::format("expected BF16, F16 or F32, found {}; convert the checkpoint",
                                   tensor->dtype_name));
        if (tensor->shape != shape)
            fail(name, fmt::format("expected shape [{}], found [{}]; do {} and the weights belong "
                                   "together?",
                                   fmt::join(shape, ", "), fmt::join(tensor->shape, ", "),
                                   is_gguf_ ? "the metadata" : "config.json"));
        return tensor->as_numbers();
    }

    /// A linear layer as the files have it, quantised or not, by its full name.
    StoredLinear linear_named(const std::string& name, int n, int k, bool has_bias) const {
        if (quantized_)
            if (auto found = quantized_->find(name, n, k, has_bias)) return *found;
        StoredLinear made{LinearKind::dense, n, k, get_named(name + ".weight", {n, k}), {}};
        if (has_blocks(name))
            made = linear_of_blocks(*files_.find(name + ".weight"), full_name(name + ".weight"));
        // Of GGUF files, some have a bias that no Qwen2 has.
        if (has_bias || (is_gguf_ && has_named(name + ".bias")))
            made.bias = get_named(name + ".bias", {n});
        return made;
    }
    /// One of a decoder, by its name within it.
    StoredLinear linear_of_layer(const std::string& name, int n, int k,
                                 const LinearPlace& place) const {
        StoredLinear made = linear_named(prefix_ + name, n, k, place.is_qkv);
        const LinearKind kind = kind_at_load(at_load_.layers, place);
        if (kind == LinearKind::dense) return made;
        return quantize_at_load(std::move(made), kind, full_module(prefix_ + name));
    }
    /// What serves as a head, named by its tensor's module.
    StoredLinear head_at_load(StoredLinear head, const std::string& name) const {
        return quantize_at_load(std::move(head), LinearKind::int8, full_module(name));
    }
    bool is_quantized(const std::string& name) const {
        return has_blocks(name) || (quantized_ && quantized_->is_quantized(name));
    }
    /// Whether a module's weights are of one of GGUF's quantised types.
    bool has_blocks(const std::string& name) const {
        const StoredTensor* weight = files_.find(name + ".weight");
        return weight && weight->blocks;
    }

    /// Of a matrix whose number of rows only the files know.
    int n_rows_named(const std::string& name) const {
        constexpr int64_t kMost = 1 << 16;
        const StoredTensor* tensor = files_.find(name);
        if (!tensor) fail(name, "expected a matrix, found no such tensor");
        if (tensor->shape.size() != 2 || tensor->shape[0] < 1 || tensor->shape[0] > kMost)
            fail(name, fmt::format("expected a matrix of at most {} rows, found shape [{}]", kMost,
                                   fmt::join(tensor->shape, ", ")));
        return int(tensor->shape[0]);
    }

    bool has_named(const std::string& name) const { return files_.find(name) != nullptr; }
    const std::string& prefix() const { return prefix_; }

    /// Of weights that are quantised that is what is said, whatever was missed first.
    [[noreturn]] void fail(const std::string& name, std::string_view what) const {
        if (!has_scheme_) refuse_quantized_tensors(files_.tensors(), dir_);
        throw LoadError(fmt::format("{}: {}", full_name(name), what));
    }

  private:
    /// A tensor as its files call it.
    std::string full_name(const std::string& name) const {
        return fmt::format("{}: tensor {}", dir_.string(), is_gguf_ ? gguf_name(name) : name);
    }
    /// A module as its tensors begin.
    std::string full_module(const std::string& name) const {
        constexpr std::string_view kWeight = ".weight";
        std::string weight = full_name(name + std::string(kWeight));
        weight.resize(weight.size() - kWeight.size());
        return weight;
    }

    const TensorFiles& files_;
    const std::filesystem::path dir_;
    const bool has_scheme_, is_gguf_;
    const QuantizeAtLoad at_load_;
    std::optional<QuantizedFinder> quantized_;
    std::string prefix_ = "model.";
};

LayerWeights find_layer(const TensorFinder& find, const ModelConfig& config, int layer) {
    const int hidden = config.hidden_size, inner = config.intermediate_size;
    const int q_dim = config.n_heads * config.head_dim;
    const int kv_dim = config.n_kv_heads * config.head_dim;
    const std::string prefix = fmt::format("layers.{}.", layer);
    auto norm = [&](const char* name) {
        return find.get(fmt::format("{}{}.weight", prefix, name), {hidden});
    };
    auto linear = [&](const char* name, int n, int k) {
        return find.linear_of_layer(prefix + name, n, k, {layer, config.n_layers, false});
    };
    auto biased = [&](const char* name, int n, int k) {
        return find.linear_of_layer(prefix + name, n, k, {layer, config.n_layers, true});
    };
    LayerWeights w;
    w.input_norm = norm("input_layernorm");
    w.q = biased("self_attn.q_proj", q_dim, hidden);
    w.k = biased("self_attn.k_proj", kv_dim, hidden);
    w.v = biased("self_attn.v_proj", kv_dim, hidden);
    w.o = linear("self_attn.o_proj", hidden, q_dim);
    w.post_attention_norm = norm("post_attention_layernorm");
    w.gate = linear("mlp.gate_proj", inner, hidden);
    w.up = linear("mlp.up_proj", inner, hidden);
    w.down = linear("mlp.down_proj", hidden, inner);
    make_blocks_alike({&w.q, &w.k, &w.v}), make_blocks_alike({&w.gate, &w.up});
    return w;
}

/// Layers that the files hold: one more than the highest number in a name.
int stored_layers(const StoredTensors& tensors, const std::string& prefix) {
    const std::string begin = prefix + "layers.";
    int n = 0;
    for (auto& [name, tensor] : tensors) {
        if (!name.starts_with(begin)) continue;
        int layer = -1;
        std::from_chars(name.data() + begin.size(), name.data() + name.size(), layer);
        n = std::max(n, layer < (1 << 20) ? layer + 1 : 0);
    }
    return n;
}

bool same_bytes(const TensorFiles& files, const StoredTensor& a, const StoredTensor& b) {
    if (a.dtype != b.dtype || a.n_bytes != b.n_bytes) return false;
    constexpr size_t kPiece = 1 << 20;
    std::vector<char> x(kPiece), y(kPiece);
    for (size_t at = 0; at < a.n_bytes; at += kPiece) {
        const size_t n = std::min(kPiece, a.n_bytes - at);
        files.read(a, at, n, x.data()), files.read(b, at, n, y.data());
        if (std::memcmp(x.data(), y.data(), n) != 0) return false;
    }
    return true;
}

/// Where config.json names what the weights were trained for.
std::string why_no_head(const ModelConfig& config) {
    if (config.other_architecture.empty()) return {};
    return fmt::format("; it is {}, which has no head to generate text with",
                       config.other_architecture);
}

/// The embedding and the head, tied by transformers' rules: if both are stored and differ, the
/// files count and not the configuration; if one is, it serves as both.
void find_ends(const TensorFinder& find, Checkpoint& checkpoint) {
    const std::vector<int64_t> shape = {checkpoint.config.vocab_size,
                                        checkpoint.config.hidden_size};
    const std::string head = "lm_head.weight";
    Weights& w = checkpoint.weights;
    w.tied = checkpoint.config.tie_word_embeddings;
    // Of an embedding in blocks there are numbers to look up, and the head is better read as it is.
    const std::string embedding = find.prefix() + "embed_tokens";
    const std::string packed_head = w.tied && find.has_blocks(embedding) ? embedding : "lm_head";
    if (checkpoint.config.generates() && find.is_quantized(packed_head)) {
        w.tied = false;
        w.embedding = find.get("embed_tokens.weight", shape);
        w.lm_head = find.linear_named(packed_head, int(shape[0]), int(shape[1]), false);
        return;
    }
    w.lm_head.n = checkpoint.config.vocab_size, w.lm_head.k = checkpoint.config.hidden_size;
    if (w.tied && find.has_named(head) && !find.has_named(find.prefix() + "embed_tokens.weight")) {
        w.embedding = w.lm_head.weight = find.get_named(head, shape);
        return;
    }
    w.embedding = find.get("embed_tokens.weight", shape);
    w.tied |= !checkpoint.config.generates();
    if (!w.tied && !find.has_named(head))
        find.fail(head, fmt::format("expected shape [{}], found no such tensor, and config.json "
                                    "does not say \"tie_word_embeddings\": true{}",
                                    fmt::join(shape, ", "), why_no_head(checkpoint.config)));
    if (w.tied && checkpoint.config.generates() && find.has_named(head) &&
        !same_bytes(checkpoint.files, w.embedding, find.get_named(head, shape))) {
        w.tied = false;
        checkpoint.warnings.push_back(
            "config.json ties the head to the embedding, but the files have a head that differs: "
            "it is used");
    }
    w.lm_head.weight = w.tied ? w.embedding : find.get_named(head, shape);
}

/// The head becomes a matrix of its own, which the embedding is not any more.
void quantize_head(const TensorFinder& find, Weights& w) {
    if (w.lm_head.quantized) return;
    const std::string embedding = find.prefix() + "embed_tokens";
    const bool is_embedding = w.tied && find.has_named(embedding + ".weight");
    w.lm_head = find.head_at_load(std::move(w.lm_head), is_embedding ? embedding : "lm_head");
    w.tied = false;
}

/// A layer of the head whose sizes, where they are 0, are those that the files have.
HeadLayer find_head_layer(const TensorFinder& find, const std::string& name, int n, int k,
                          bool has_bias, Activation activation) {
    HeadLayer layer{{LinearKind::dense, n, k, {}, {}, {}}, activation};
    StoredLinear& linear = layer.linear;
    if (n == 0) linear.n = find.n_rows_named(name + ".weight");
    linear.weight = find.get_named(name + ".weight", {linear.n, k});
    if (has_bias) linear.bias = find.get_named(name + ".bias", {linear.n});
    return layer;
}

/// The heads of transformers' Qwen2ForSequenceClassification and of the modeling files that
/// Qwen2.5-Math's reward models bring.
void find_head(const TensorFinder& find, const ModelConfig& config, std::vector<HeadLayer>& head) {
    const int hidden = config.hidden_size;
    switch (config.head) {
        case HeadKind::text:
        case HeadKind::none:
            return;
        case HeadKind::classes:
            head.push_back(find_head_layer(find, "score", 0, hidden, false, Activation::linear));
            return;
        case HeadKind::reward:
        case HeadKind::process_reward:
            head.push_back(
                find_head_layer(find, "score.0", hidden, hidden, true, Activation::relu));
            head.push_back(find_head_layer(find, "score.2", config.head == HeadKind::reward ? 1 : 2,
                                           hidden, true, Activation::linear));
    }
}

void open_dense(const std::filesystem::path& dir, Checkpoint& checkpoint) {
    for (const DenseModule& dense : load_embedder_config(dir, checkpoint.config).dense) {
        Checkpoint::Dense opened{open_safetensors(dense.dir), {}};
        opened.layer = find_head_layer(TensorFinder(opened.files, dense.dir), "linear", dense.n_out,
                                       dense.n_in, dense.has_bias, dense.activation);
        checkpoint.dense.push_back(std::move(opened));
    }
}

Checkpoint open_files(const std::filesystem::path& model) {
    const auto file = find_gguf(model);
    if (file.empty()) return {load_model_config(model), open_safetensors(model), {}, {}, {}};
    GgufModel opened = open_gguf(file);
    ModelConfig config = gguf_config(opened.header, opened.files.tensors());
    return {std::move(config), std::move(opened.files), {}, {}, {}};
}

}  // namespace

Checkpoint open_checkpoint(const std::filesystem::path& model, const QuantizeAtLoad& at_load) {
    Checkpoint checkpoint = open_files(model);
    const ModelConfig& config = checkpoint.config;
    if (config.quantization && at_load.layers != LinearKind::dense)
        refuse_twice(*config.quantization);
    const TensorFinder find(checkpoint.files, model, config.quantization.get(), config.is_gguf,
                            at_load);
    find_ends(find, checkpoint);
    if (at_load.head && config.generates()) quantize_head(find, checkpoint.weights);
    const int n_stored = stored_layers(checkpoint.files.tensors(), find.prefix());
    const std::string both =
        fmt::format("{} {}, the weights have {}",
                    config.is_gguf ? "qwen2.block_count is" : "config.json has num_hidden_layers",
                    config.n_layers, n_stored);
    if (n_stored < config.n_layers)
        find.fail(fmt::format("{}layers.{}.input_layernorm.weight", find.prefix(), n_stored),
                  "found no such tensor: " + both);
    for (int layer = 0; layer < config.n_layers; layer++)
        checkpoint.weights.layers.push_back(find_layer(find, config, layer));
    checkpoint.weights.final_norm = find.get("norm.weight", {config.hidden_size});
    find_head(find, config, checkpoint.weights.head);
    open_dense(model, checkpoint);
    if (n_stored > config.n_layers)
        checkpoint.warnings.push_back(fmt::format("{}: {} layers: those from {} on are not used",
                                                  model.string(), both, config.n_layers));
    return checkpoint;
}

}  // namespace qwend
