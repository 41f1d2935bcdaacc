#include "model/text/tokenizer_files.h"

#include <fmt/core.h>

#include <algorithm>

#include "model/gguf/files.h"
#include "model/json.h"
#include "model/text/configured_tokens.h"
#include "model/text/read_gguf.h"
#include "model/text/read_model.h"
#include "model/text/read_sentencepiece.h"
#include "model/text/tokenizer_steps.h"

namespace qwend {

namespace {

namespace dom = simdjson::dom;

/// An id that is no token has no row of the embedding.
void check_ids_around(const JsonFile& json, const TokenizerParts& parts) {
    const auto is_token = [&](int32_t id) {
        return size_t(id) < parts.texts.size() ||
               std::any_of(parts.added_tokens.begin(), parts.added_tokens.end(),
                           [&](const AddedToken& token) { return token.id == id; });
    };
    for (const auto* ids : {&parts.around.prefix, &parts.around.suffix})
        for (int32_t id : *ids)
            if (!is_token(id)) json.fail(fmt::format("post_processor: {} is no token", id));
}

/// `vocab` becomes that of the model; it is a view of `json`.
TokenizerParts read_tokenizer_json(const JsonFile& json, Vocab& vocab) {
    const FoundModel found = find_model(json);
    PreTokenizer pretokenizer = read_pretokenizer(json, found.takes_bytes);
    const bool is_byte_level = pretokenizer.is_byte_level;
    WordModel model = read_model(json, found, is_byte_level, vocab);
    TokenizerParts parts{.model = std::move(model),
                         .texts = make_texts(vocab, read_decoder(json, is_byte_level)),
                         .added_tokens = {},
                         .normalizer = read_normalizer(json),
                         .splits = std::move(pretokenizer.splits),
                         .around = read_post_processor(json)};
    dom::array added;
    if (!json.root().at_key("added_tokens").get(added))
        for (auto element : added) {
            dom::object token;
            int64_t id = -1;
            if (element.get(token) || token.at_key("id").get(id))
                json.fail("added_tokens: expected objects with an id");
            parts.added_tokens.push_back(read_added_token(json, token, id, false));
        }
    check_ids_around(json, parts);
    return parts;
}

Merges parse_merges_txt(std::string_view text, const std::string& source) {
    Merges merges;
    for (size_t at = 0; at < text.size();) {
        size_t end = std::min(text.find('\n', at), text.size());
        std::string_view line = text.substr(at, end - at);
        at = end + 1;
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty() || line.starts_with("#version")) continue;
        size_t space = line.find(' ');
        if (space == std::string_view::npos)
            throw LoadError(fmt::format("{}: expected \"left right\", found \"{}\"", source, line));
        merges.emplace_back(line.substr(0, space), line.substr(space + 1));
    }
    return merges;
}

/// Of other files that a tokenizer may be of, transformers makes what is wanted. Its AutoTokenizer
/// does not: it takes every folder of a Qwen2 for one with Qwen2's own tokenizer.
[[noreturn]] void fail_without_files(const std::filesystem::path& dir) {
    for (const char* other :
         {"vocab.txt", "spiece.model", "tiktoken.model", "qwen.tiktoken", "tekken.json"})
        if (std::filesystem::exists(dir / other))
            throw LoadError(
                fmt::format("{}: {} alone says too little; expected tokenizer.json, which "
                            "save_pretrained of the tokenizer's own class in transformers writes "
                            "(BertTokenizer, say)",
                            dir.string(), other));
    throw LoadError(
        fmt::format("{}: expected tokenizer.json, or vocab.json and merges.txt, or tokenizer.model",
                    dir.string()));
}

}  // namespace

TokenizerParts parse_tokenizer_json(std::string_view text, const std::string& source) {
    const JsonFile json(text, source);
    Vocab vocab;
    return read_tokenizer_json(json, vocab);
}

TokenizerParts load_tokenizer_parts(const std::filesystem::path& dir) {
    if (const auto file = find_gguf(dir); !file.empty())
        return read_gguf_tokenizer(read_gguf_header(file));
    std::optional<JsonFile> config;
    if (std::filesystem::exists(dir / "tokenizer_config.json"))
        config.emplace(dir / "tokenizer_config.json");
    if (std::filesystem::exists(dir / "tokenizer.json")) {
        const JsonFile json(dir / "tokenizer.json");
        Vocab vocab;
        TokenizerParts parts = read_tokenizer_json(json, vocab);
        if (config) {
            add_configured_tokens(*config, vocab, parts);
            split_special_tokens(*config, parts);
        }
        return parts;
    }
    if (!std::filesystem::exists(dir / "vocab.json")) {
        if (std::filesystem::exists(dir / "tokenizer.model"))
            return load_sentencepiece_parts(dir, config);
        fail_without_files(dir);
    }
    const JsonFile json(dir / "vocab.json");
    const Vocab vocab = read_vocab(json, json.root());
    std::string merges = read_file(dir / "merges.txt");
    TokenDecoder decoder;
    decoder.add_byte_level();
    Normalizer normalizer;
    normalizer.add_form(NormalForm::c);
    TokenizerParts parts{
        .model = Bpe(vocab, parse_merges_txt(merges, (dir / "merges.txt").string()), json.name()),
        .texts = make_texts(vocab, std::move(decoder)),
        .added_tokens = read_added_tokens(dir),
        .normalizer = std::move(normalizer),
        .splits = {},
        .around = {}};
    if (config) {
        parts.around = configured_around(*config, SpecialTokens(*config), vocab, parts);
        split_special_tokens(*config, parts);
    }
    return parts;
}

std::optional<std::string> load_special_token(const std::filesystem::path& dir,
                                              std::string_view name) {
    if (const auto file = find_gguf(dir); !file.empty())
        return gguf_special_token(read_gguf_header(file), name);
    for (auto file : {"tokenizer_config.json", "special_tokens_map.json"}) {
        if (!std::filesystem::exists(dir / file)) continue;
        const JsonFile json(dir / file);
        const auto value = json.find(name);
        if (!value) continue;
        std::string_view token;
        dom::object described;  // {"content": "<|im_end|>", …}
        if (value->get(token) && (value->get(described) || described.at_key("content").get(token)))
            json.fail(fmt::format("\"{}\": expected a string, or an object with a content", name));
        return std::string(token);
    }
    return std::nullopt;
}

}  // namespace qwend
