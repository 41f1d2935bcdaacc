#include "model/text/read_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <optional>

#include "model/text/tokenizer_pipeline.h"
#include "model/text/tokenizer_steps.h"

namespace qwend {

namespace {

namespace dom = simdjson::dom;

constexpr std::string_view kName = "model";
constexpr size_t kMostCharacters = 100;  // of a word; what BERT has always had

BpeSpelling read_spelling(dom::object model, bool is_byte_level) {
    return {.is_byte_level = is_byte_level,
            .byte_fallback = flag_at(model, "byte_fallback", false),
            .fuse_unknown = flag_at(model, "fuse_unk", false),
            .unknown = std::string(text_at(model, "unk_token")),
            .prefix = std::string(text_at(model, "continuing_subword_prefix")),
            .suffix = std::string(text_at(model, "end_of_word_suffix"))};
}

/// Merges are "left right" in older files and ["left", "right"] in newer ones.
Merges read_merges(const JsonFile& json, dom::array array) {
    Merges merges;
    merges.reserve(array.size());
    for (auto element : array) {
        std::string_view line, left, right;
        dom::array pair;
        if (!element.get(line)) {
            size_t space = line.find(' ');
            if (space == std::string_view::npos)
                json.fail(fmt::format("merges: expected \"left right\", found \"{}\"", line));
            merges.emplace_back(line.substr(0, space), line.substr(space + 1));
        } else if (!element.get(pair) && pair.size() == 2 && !pair.at(0).get(left) &&
                   !pair.at(1).get(right)) {
            merges.emplace_back(left, right);
        } else {
            json.fail("merges: expected pairs of tokens");
        }
    }
    return merges;
}

Vocab read_vocab_of(const JsonFile& json, dom::object model) {
    dom::object entries;
    if (model.at_key("vocab").get(entries)) json.fail("expected model.vocab");
    return read_vocab(json, entries);
}

WordModel read_bpe(const JsonFile& json, dom::object model, bool is_byte_level, Vocab& vocab) {
    dom::object entries;
    dom::array merges;
    if (model.at_key("vocab").get(entries) || model.at_key("merges").get(merges))
        json.fail("expected model.vocab and model.merges");
    vocab = read_vocab(json, entries);
    return Bpe(vocab, read_merges(json, merges), json.name(), read_spelling(model, is_byte_level),
               flag_at(model, "ignore_merges", false));
}

WordModel read_unigram(const JsonFile& json, dom::object model, bool, Vocab& vocab) {
    dom::array entries;
    if (model.at_key("vocab").get(entries)) json.fail("expected model.vocab");
    std::vector<std::pair<std::string_view, double>> pieces;
    for (auto element : entries) {
        dom::array pair;
        std::string_view text;
        double score = 0;
        if (element.get(pair) || pair.size() != 2 || pair.at(0).get(text) || pair.at(1).get(score))
            json.fail("vocab: expected pieces with their scores");
        vocab.emplace_back(text, int32_t(pieces.size()));
        pieces.emplace_back(text, score);
    }
    std::optional<int32_t> unknown;
    if (int64_t id = 0; !model.at_key("unk_id").get(id))
        unknown = int32_t(std::clamp<int64_t>(id, -1, kMaxTokenId));
    return Unigram(pieces, unknown, flag_at(model, "byte_fallback", false), json.name());
}

WordModel read_word_piece(const JsonFile& json, dom::object model, bool, Vocab& vocab) {
    vocab = read_vocab_of(json, model);
    const std::string unknown = text_needed(json, model, kName, "unk_token"),
                      prefix = text_needed(json, model, kName, "continuing_subword_prefix");
    const size_t most =
        count_at(json, model, kName, "max_input_chars_per_word", 0, kMostCharacters);
    return WordPiece(vocab, unknown, prefix, most, json.name());
}

WordModel read_word_level(const JsonFile& json, dom::object model, bool, Vocab& vocab) {
    vocab = read_vocab_of(json, model);
    return WordLevel(vocab, text_needed(json, model, kName, "unk_token"), json.name());
}

struct Kind {
    std::string_view type;
    WordModel (*read)(const JsonFile& json, dom::object model, bool is_byte_level, Vocab& vocab);
};

constexpr Kind kKinds[] = {{"BPE", read_bpe},
                           {"Unigram", read_unigram},
                           {"WordPiece", read_word_piece},
                           {"WordLevel", read_word_level}};

/// In the order in which Hugging Face's tries them.
std::string_view type_by_fields(dom::object model) {
    const auto has = [&](std::string_view field) { return find_last(model, field).has_value(); };
    if (has("merges")) return "BPE";
    if (has("unk_token"))
        return has("continuing_subword_prefix") && has("max_input_chars_per_word") ? "WordPiece"
                                                                                   : "WordLevel";
    dom::array pieces;
    return model.at_key("vocab").get(pieces) ? "BPE" : "Unigram";
}

}  // namespace

Vocab read_vocab(const JsonFile& json, dom::object object) {
    Vocab vocab;
    vocab.reserve(object.size());
    for (auto [token, value] : object) {
        int64_t id = -1;
        if (value.get(id) || id < 0 || id > kMaxTokenId)
            json.fail(fmt::format("vocab: token \"{}\": expected an id", token));
        vocab.emplace_back(token, int32_t(id));
    }
    return vocab;
}

FoundModel find_model(const JsonFile& json) {
    dom::object model;
    if (json.root().at_key("model").get(model)) json.fail("expected a model");
    const bool is_typed = !model.at_key("type").error();
    const std::string_view type =
        is_typed ? find_kind(json, kName, kKinds, model).type : type_by_fields(model);
    return {std::string(type), model, type == "BPE"};
}

WordModel read_model(const JsonFile& json, const FoundModel& found, bool is_byte_level,
                     Vocab& vocab) {
    const Kind& kind = *std::ranges::find(kKinds, std::string_view(found.type), &Kind::type);
    return kind.read(json, found.fields, is_byte_level, vocab);
}

}  // namespace qwend
