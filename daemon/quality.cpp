#include "daemon/quality.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/api/model_text.h"
#include "daemon/file_access.h"
#include "daemon/log.h"
#include "daemon/quality_texts.h"
#include "model/divergence.h"
#include "model/error.h"
#include "model/quantized/at_load.h"
#include "net/clock.h"

namespace qwend {

namespace {

constexpr double kFairSeconds = 15;  // for the steps of a model; there are two
constexpr size_t kRowsAtOnce = 32;   // of logits, of which both models' are in memory

/// Tells how far something is, if it takes long.
class Progress {
  public:
    explicit Progress(std::string what) : what_(std::move(what)) {}

    void show(double share) {
        constexpr double kSeconds = 5;
        const double now = steady_seconds();
        if (now < told_ + kSeconds) return;
        told_ = now;
        log_info("{}: {:.0f}%", what_, share * 100);
    }

  private:
    std::string what_;
    double told_ = steady_seconds();
};

using States = std::vector<std::vector<float>>;  // (tokens, hidden) of each text

TokenTexts quality_tokens(const ModelText& model) {
    TokenTexts texts;
    for (std::string_view text : quality_texts()) {
        std::vector<int32_t> ids = model.tokenizer.encode_with_added_tokens(std::string(text));
        model.tokenizer.add_special_tokens(ids);
        ids.resize(std::min(ids.size(), size_t(model.max_model_len)));
        texts.push_back(std::move(ids));
    }
    return texts;
}

size_t count_tokens(const TokenTexts& texts) {
    size_t n = 0;
    for (const auto& text : texts) n += text.size();
    return n;
}

/// Final states of the texts, which are cut where there is no time for more.
States run_texts(const ModelLoader& load, const std::shared_ptr<const Checkpoint>& checkpoint,
                 const std::string& name, TokenTexts& texts, double seconds) {
    Progress loading("loading " + name), running("running " + name);
    const auto backend =
        load.backend(checkpoint, texts, [&](float share) { loading.show(double(share)); });
    const double began = steady_seconds();
    int n_steps = 0;
    States states = text_states(*backend, texts, [&](double share) {
        running.show(share);
        const double taken = steady_seconds() - began;
        return taken + taken / ++n_steps < seconds;  // there is time for another
    });
    const auto width = size_t(backend->info().vector_size);
    for (size_t i = 0; i < texts.size(); i++) texts[i].resize(states[i].size() / width);
    return states;
}

/// Logits of some states.
class Logits {
  public:
    Logits(const VectorHead& head, std::span<const float> states, size_t n_rows, size_t n_ids)
        : values_(head(states)), width_(values_.size() / n_rows), n_ids_(n_ids) {}
    std::span<const float> row(size_t i) const {
        return std::span(values_).subspan(i * width_, n_ids_);
    }

  private:
    std::vector<float> values_;
    size_t width_, n_ids_;
};

/// One of two models that are compared, once it has run.
struct Ran {
    States states;
    VectorHead head;

    Logits logits(size_t text, size_t n_tokens, size_t begin, size_t n, size_t n_ids) const {
        const size_t width = states[text].size() / n_tokens;
        return {head, std::span(states[text]).subspan(begin * width, n * width), n, n_ids};
    }
};

Divergence compare(const Ran& model, const Ran& reference, const TokenTexts& texts, size_t n_ids) {
    Progress comparing("comparing");
    Divergence found;
    for (size_t text = 0; text < texts.size(); text++) {
        const size_t n = texts[text].size();
        for (size_t begin = 0; begin < n; begin += kRowsAtOnce) {
            comparing.show((double(text) + double(begin) / double(n)) / double(texts.size()));
            const size_t n_now = std::min(kRowsAtOnce, n - begin);
            const Logits p = reference.logits(text, n, begin, n_now, n_ids);
            const Logits q = model.logits(text, n, begin, n_now, n_ids);
            for (size_t i = 0; i < n_now; i++) {
                const size_t next = begin + i + 1;
                add_place(found, p.row(i), q.row(i), next < n ? texts[text][next] : -1);
            }
        }
    }
    return found;
}

/// What the served weights are compared with; null if there is nothing.
std::shared_ptr<const Checkpoint> find_reference(const CommandLine& line, const ModelText& text,
                                                 const Checkpoint& served,
                                                 const TokenTexts& texts) {
    const std::filesystem::path& against = line.check.against;
    if (against.empty())
        return is_quantized_at_load(served.weights)
                   ? std::make_shared<const Checkpoint>(open_checkpoint(line.options.model))
                   : nullptr;
    check_model_folder(against);
    Options options = line.options;
    options.model = against;
    const ModelText other = load_model_text(options);
    if (!other.config.generates() || other.config.vocab_size < text.tokenizer.size() ||
        quality_tokens(other) != texts)
        throw LoadError(fmt::format(
            "--against {}: expected the model of {} as it was before, found one with another "
            "tokenizer",
            against.string(), line.options.model.string()));
    return std::make_shared<const Checkpoint>(open_checkpoint(against));
}

void print_line(std::string_view name, const std::string& text) {
    fmt::print("{:<10} {}\n", name, text);
}

void print_quality(const Divergence& found, size_t n_all, const std::string& reference,
                   const ModelText& text) {
    const bool is_alone = reference.empty();
    const std::string many =
        size_t(found.n_places) < n_all ? fmt::format(" of {}, as this takes long here", n_all) : "";
    print_line("quality",
               fmt::format("{} tokens of English, Chinese and code{}; {}", found.n_places, many,
                           is_alone ? "nothing to compare with" : "beside " + reference));
    if (!is_alone) {
        print_line("KL", fmt::format("mean {:.5f}, largest {:.4f} nats a token", found.mean_kl(),
                                     found.kl_most));
        print_line("greedy", fmt::format("{:.2f}% the same", 100 * found.share_same()));
    }
    print_line("perplexity", is_alone ? fmt::format("{:.4f}", found.perplexity())
                                      : fmt::format("{:.4f}, theirs {:.4f}", found.perplexity(),
                                                    found.reference_perplexity()));
    if (is_alone && text.config.quantization)
        print_line("note",
                   "the folder is quantised: --against names one of the same model that is not");
    else if (is_alone)
        print_line("note", "nothing is quantised: --quantization does");
}

}  // namespace

void check_quality(const CommandLine& line, const ModelText& text,
                   const std::shared_ptr<const Checkpoint>& served, const ModelLoader& load) {
    if (!text.config.generates())
        throw LoadError(fmt::format(
            "{}: expected a model that generates text, since --quality measures that, found one "
            "for vectors",
            text.names[0]));
    TokenTexts texts = quality_tokens(text);
    const size_t n_all = count_tokens(texts);
    const auto other = find_reference(line, text, *served, texts);
    const std::string name = !other                       ? ""
                             : line.check.against.empty() ? "the weights of the files"
                                                          : line.check.against.string();
    Ran reference;
    if (other) reference.states = run_texts(load, other, name, texts, kFairSeconds);
    // What there was time for once has to be run again, however long it takes.
    Ran model;
    model.states = run_texts(load, served, "the model", texts, other ? INFINITY : kFairSeconds);
    model.head = load.head(*served);
    if (other) reference.head = load.head(*other);
    print_quality(compare(model, other ? reference : model, texts, size_t(text.tokenizer.size())),
                  n_all, name, text);
}

}  // namespace qwend
