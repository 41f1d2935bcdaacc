#include "tests/bench/load/conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "daemon/api/json_writer.h"

namespace qwend::load {

namespace {

/// Each is one token, with and without a space before it, in Qwen's vocabulary, and nearly all are
/// in others: a prompt of N of them is one of about N tokens wherever it goes.
constexpr std::array<std::string_view, 128> kWords = {
    "the",   "of",    "and",   "to",     "in",    "is",    "you",     "that",   "it",    "he",
    "was",   "for",   "on",    "are",    "as",    "with",  "his",     "they",   "at",    "be",
    "this",  "have",  "from",  "or",     "one",   "had",   "by",      "word",   "but",   "not",
    "what",  "all",   "were",  "we",     "when",  "your",  "can",     "said",   "there", "use",
    "an",    "each",  "which", "she",    "do",    "how",   "their",   "if",     "will",  "up",
    "other", "about", "out",   "many",   "then",  "them",  "these",   "so",     "some",  "her",
    "would", "make",  "like",  "him",    "into",  "time",  "has",     "look",   "two",   "more",
    "write", "go",    "see",   "number", "no",    "way",   "could",   "people", "my",    "than",
    "first", "water", "been",  "call",   "who",   "oil",   "its",     "now",    "find",  "long",
    "down",  "day",   "did",   "get",    "come",  "made",  "may",     "part",   "over",  "new",
    "sound", "take",  "only",  "little", "work",  "know",  "place",   "year",   "live",  "me",
    "back",  "give",  "most",  "very",   "after", "thing", "our",     "just",   "name",  "good",
    "man",   "think", "say",   "great",  "where", "help",  "through", "much"};

constexpr int kFirstId = 100;  // behind what vocabularies begin with: bytes, special tokens

constexpr uint64_t kPrefixStream = ~uint64_t(0);

/// Of the size of the load, too: what a sweep sends at one size is not in the server's prefix cache
/// at the next.
std::mt19937_64 random_of(const LoadOptions& options, uint64_t stream) {
    const Lengths& lengths = options.input_len;
    std::seed_seq seeds{options.seed,
                        options.seed >> 32,
                        stream,
                        uint64_t(options.num_prompts),
                        uint64_t(lengths.least),
                        uint64_t(lengths.most),
                        uint64_t(lengths.average)};
    return std::mt19937_64(seeds);
}

/// A body's members in order; what the user sets himself is left to him.
class Body {
  public:
    explicit Body(const std::vector<BodyField>& extra) : extra_(extra) {}

    /// value: JSON
    void add(std::string_view key, std::string_view value) {
        const auto is_it = [&](const BodyField& field) { return field.key == key; };
        if (std::none_of(extra_.begin(), extra_.end(), is_it)) append(key, value);
    }
    std::string take() {
        for (const BodyField& field : extra_) append(field.key, field.value);
        return std::move(out_ += '}');
    }

  private:
    void append(std::string_view key, std::string_view value) {
        if (out_.size() > 1) out_ += ',';
        append_json_string(out_, key);
        (out_ += ':').append(value);
    }

    const std::vector<BodyField>& extra_;
    std::string out_ = "{";
};

}  // namespace

std::string draw_tokens(const LoadOptions& options, int n, std::mt19937_64& random) {
    std::string out;
    if (options.api == Api::ids) {
        std::uniform_int_distribution<int> id(kFirstId, std::max(kFirstId, options.vocab - 1));
        for (int i = 0; i < n; i++) fmt::format_to(std::back_inserter(out), "{},", id(random));
    } else {
        for (int i = 0; i < n; i++) out.append(kWords[random() % kWords.size()]) += ' ';
    }
    if (!out.empty()) out.pop_back();
    return out;
}

Conversation::Conversation(const LoadOptions& options, std::string_view prefix, uint64_t seed)
    : options_(&options), seed_(seed) {
    if (options.api == Api::chat) history_ = R"({"role":"user","content":")";
    if (!prefix.empty()) history_.append(prefix) += options.api == Api::ids ? ',' : ' ';
    ask();
}

void Conversation::ask() {
    std::mt19937_64 random(seed_ + uint64_t(turn_));
    const int n = options_->input_len.draw(random);
    output_len_ = options_->output_len.draw(random);
    request_seed_ = uint32_t(random() % 1000000);
    history_ += draw_tokens(*options_, n, random);
    if (options_->api == Api::chat) history_ += R"("})";
}

bool Conversation::go_on(std::string_view answer) {
    if (turn_ + 1 == options_->turns) return false;
    turn_++;
    if (options_->api == Api::chat)
        history_.append(R"(,{"role":"assistant","content":")")
            .append(answer)
            .append(R"("},{"role":"user","content":")");
    else if (options_->api == Api::ids)
        (history_ += ',').append(answer) += ',';
    else
        history_.append(answer) += ' ';
    ask();
    return true;
}

std::string Conversation::body() const {
    Body body(options_->extra_body);
    std::string model;
    append_json_string(model, options_->model);
    if (!options_->model.empty()) body.add("model", model);
    switch (options_->api) {
        case Api::ids:
            body.add("prompt", '[' + history_ + ']');
            break;
        case Api::text:
            body.add("prompt", '"' + history_ + '"');
            break;
        case Api::chat:
            body.add("messages", '[' + history_ + ']');
            break;
    }
    body.add("max_tokens", fmt::to_string(output_len_));
    body.add("temperature", fmt::format("{}", options_->temperature));
    if (options_->sends_seed) body.add("seed", fmt::to_string(request_seed_));
    if (options_->ignores_eos) body.add("ignore_eos", "true");
    body.add("stream", "true");
    body.add("stream_options", R"({"include_usage":true})");
    // An answer's text says too little of its ids to send those back.
    if (options_->turns > 1 && options_->api == Api::ids) body.add("return_token_ids", "true");
    return body.take();
}

std::vector<Conversation> draw_conversations(const LoadOptions& options, int n, uint64_t stream) {
    std::vector<std::string> prefixes(size_t(options.num_prefixes));
    std::mt19937_64 prefix_random = random_of(options, kPrefixStream);
    for (std::string& prefix : prefixes)
        prefix = draw_tokens(options, options.prefix_len, prefix_random);

    std::mt19937_64 random = random_of(options, stream);
    std::vector<Conversation> conversations;
    conversations.reserve(size_t(n));
    for (int i = 0; i < n; i++)
        conversations.emplace_back(options, prefixes[size_t(i) % prefixes.size()], random());
    return conversations;
}

}  // namespace qwend::load
