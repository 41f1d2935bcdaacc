#include "daemon/api/ollama/catalogue.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>
#include <vector>

#include "daemon/api/fill_in.h"
#include "daemon/api/json_writer.h"
#include "daemon/api/ollama/template_text.h"
#include "daemon/api/ollama/time_text.h"
#include "daemon/api/vector_inputs.h"

namespace qwend {

namespace {

constexpr int64_t kBytesPerWeight = 2;  // bf16
constexpr std::string_view kForEver = "2300-01-01T00:00:00.000000000Z";

std::string modified_at(const ModelText& text) {
    return rfc3339(int64_t(text.created) * 1'000'000'000);
}

int64_t model_bytes(const Model& model) {
    const auto info = model.engine.backend_info();
    return info && info->weight_bytes > 0 ? int64_t(info->weight_bytes)
                                          : count_parameters(model.text->config) * kBytesPerWeight;
}

/// Sixty-four hexadecimal digits that tell one checkpoint from another; to read its weights for a
/// real digest would take longer than to load them. Source: FNV-1a, 64 bits, four times.
std::string digest_of(const Model& model) {
    const std::string facts =
        fmt::format("{} {} {}", model.text->names[0], count_parameters(model.text->config),
                    int64_t(model.text->created));
    std::string digest;
    uint64_t hash = 0xcbf29ce484222325;
    for (int part = 0; part < 4; part++) {
        for (char c : facts) hash = (hash ^ uint8_t(c)) * 0x100000001b3;
        digest += fmt::format("{:016x}", hash);
    }
    return digest;
}

void write_details(JsonWriter& w, const Model& model) {
    w.key("details").begin_object().key("parent_model").string("");
    w.key("format")
        .string(model.text->config.is_gguf ? "gguf" : "safetensors")
        .key("family")
        .string("qwen2");
    w.key("families").begin_array().string("qwen2").end_array();
    w.key("parameter_size").string(parameter_size(count_parameters(model.text->config)));
    const std::string& made = model.text->quantization;
    w.key("quantization_level").string(made.empty() ? "BF16" : made).end_object();
}

void write_capabilities(JsonWriter& w, const ModelText& text) {
    w.key("capabilities").begin_array();
    if (!text.config.generates()) {
        if (vector_kind(text.config) == VectorKind::embedding) w.string("embedding");
        w.end_array();
        return;
    }
    w.string("completion");
    if (shows_tools(text.chat_template)) w.string("tools");
    if (fim_tokens(text.tokenizer)) w.string("insert");
    if (thinks(text)) w.string("thinking");
    w.end_array();
}

/// The members that every list has of a model.
void write_listed(JsonWriter& w, const Model& model, const std::string& name) {
    w.key("name").string(tagged_name(name)).key("model").string(tagged_name(name));
    w.key("size").integer(model_bytes(model)).key("digest").string(digest_of(model));
    write_details(w, model);
}

/// A list of every name of every model, each with what `write_rest` adds.
template <class WriteRest>
std::string render_list(const ModelRegistry& models, WriteRest write_rest) {
    JsonWriter w;
    w.begin_object().key("models").begin_array();
    for (const ModelPtr& model : models.models())
        for (const std::string& name : model->text->names) {
            w.begin_object();
            write_listed(w, *model, name);
            write_rest(w, *model);
            w.end_object();
        }
    w.end_array().end_object();
    return w.take();
}

/// A name and a value in each line, and no line that is empty, as clients take them apart.
std::string parameters_text(const Model& model) {
    std::vector<std::string> lines;
    const auto add = [&](const char* name, const std::string& value) {
        lines.push_back(fmt::format("{:<30} {}", name, value));
    };
    const auto add_set = [&](const char* name, const auto& value) {
        if (value) add(name, fmt::format("{}", *value));
    };
    const ModelText& text = *model.text;
    add("num_ctx", fmt::format("{}", model.context_limit()));
    add_set("temperature", text.defaults.temperature);
    add_set("top_k", text.defaults.top_k);
    add_set("top_p", text.defaults.top_p);
    add_set("min_p", text.defaults.min_p);
    add_set("repeat_penalty", text.defaults.repetition_penalty);
    for (int32_t id : text.chat_eos_token_ids) {
        std::string stop;
        append_json_string(stop, text.tokenizer.token_bytes(id));
        add("stop", stop);
    }
    std::string out;
    for (const std::string& line : lines) out.append(out.empty() ? "" : "\n").append(line);
    return out;
}

/// The shape of the prompts, in the language that Ollama's clients look for words in (".Suffix",
/// ".Tools"). What is rendered is the checkpoint's own template.
std::string template_words(const ModelText& text) {
    std::string out;
    const bool inserts = fim_tokens(text.tokenizer).has_value();
    if (inserts)
        out +=
            "{{- if .Suffix }}<|fim_prefix|>{{ .Prompt }}<|fim_suffix|>{{ .Suffix }}"
            "<|fim_middle|>\n{{- else }}";
    if (!text.chat_template.is_usable()) {
        out += "{{ .Prompt }}";
    } else {
        if (shows_tools(text.chat_template))
            out += "{{- if .Tools }}{{ range .Tools }}{{ .Function }}{{ end }}{{ end }}";
        out +=
            "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}"
            "<|im_start|>assistant\n";
    }
    return inserts ? out + "{{- end }}" : out;
}

/// Under the names of GGUF's metadata.
void write_model_info(JsonWriter& w, const Model& model, const std::string& name) {
    constexpr int kGgufBf16 = 32;
    const ModelConfig& config = model.text->config;
    w.key("model_info").begin_object().key("general.architecture").string("qwen2");
    w.key("general.basename").string(name).key("general.file_type").integer(kGgufBf16);
    w.key("general.parameter_count").integer(count_parameters(config));
    w.key("qwen2.context_length").integer(model.context_limit());
    w.key("qwen2.embedding_length").integer(config.hidden_size);
    w.key("qwen2.block_count").integer(config.n_layers);
    w.key("qwen2.feed_forward_length").integer(config.intermediate_size);
    w.key("qwen2.attention.head_count").integer(config.n_heads);
    w.key("qwen2.attention.head_count_kv").integer(config.n_kv_heads);
    w.key("qwen2.rope.freq_base").number(double(config.rope_theta));
    w.key("qwen2.vocab_size").integer(config.vocab_size).end_object();
}

}  // namespace

std::string parameter_size(int64_t n) {
    const auto in = [&](double unit, int decimals, char letter) {
        const double number = double(n) / unit;
        return fmt::format("{:.{}f}{}", number, number == std::floor(number) ? 0 : decimals,
                           letter);
    };
    if (n >= 1'000'000'000) return in(1e9, 1, 'B');
    if (n >= 1'000'000) return in(1e6, 2, 'M');
    return in(1e3, 0, 'K');
}

std::string render_tags(const ModelRegistry& models) {
    return render_list(models, [](JsonWriter& w, const Model& model) {
        w.key("modified_at").string(modified_at(*model.text));
        write_capabilities(w, *model.text);
    });
}

std::string render_running(const ModelRegistry& models) {
    return render_list(models, [](JsonWriter& w, const Model& model) {
        const auto info = model.engine.backend_info();
        const bool on_gpu = info && !info->device.starts_with("CPU");
        w.key("expires_at").string(kForEver);
        w.key("size_vram").integer(on_gpu ? model_bytes(model) : 0);
        w.key("context_length").integer(model.context_limit());
    });
}

std::string render_shown(const Model& model, const std::string& name) {
    JsonWriter w;
    w.begin_object().key("modelfile").string("# served by qwend\nFROM " + name + "\n");
    w.key("parameters").string(parameters_text(model));
    w.key("template").string(template_words(*model.text));
    w.key("system").string("").key("license").string("");
    write_details(w, model);
    write_model_info(w, model, name);
    write_capabilities(w, *model.text);
    w.key("modified_at").string(modified_at(*model.text)).end_object();
    return w.take();
}

}  // namespace qwend
