#include "model/text/tokenizer_files.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "model/json.h"
#include "model/text/read_model.h"
#include "model/text/tokenizer_steps.h"

namespace qwend {

namespace {

namespace dom = simdjson::dom;

/// One entry of tokenizer.json, or of tokenizer_config.json (`config`).
AddedToken read_added_token(const JsonFile& json, dom::object object, int64_t id, bool config) {
    AddedToken token;
    token.content = text_at(object, "content");
    if (id < 0 || id > kMaxTokenId || token.content.empty())
        json.fail("added_tokens: expected an id and a content");
    token.id = int32_t(id);
    auto flag = [&](std::string_view field, bool& value) {
        (void)!object.at_key(field).get(value);
    };
    flag("special", token.special);
    // transformers takes what its configuration says nothing of as normalised unless it is special.
    token.normalized = config && !token.special;
    flag("normalized", token.normalized), flag("single_word", token.single_word);
    flag("lstrip", token.lstrip), flag("rstrip", token.rstrip);
    return token;
}

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

TokenTexts make_texts(const Vocab& vocab, TokenDecoder decoder) {
    TokenTexts texts(std::move(decoder));
    for (auto [token, id] : vocab) texts.set(id, token);
    return texts;
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

std::vector<AddedToken> read_added_tokens_decoder(const JsonFile& json) {
    std::vector<AddedToken> tokens;
    dom::object decoder;
    if (json.root().at_key("added_tokens_decoder").get(decoder))
        json.fail("\"added_tokens_decoder\": expected an object");
    for (auto [key, element] : decoder) {
        dom::object token;
        if (element.get(token)) json.fail("added_tokens_decoder: expected objects");
        tokens.push_back(read_added_token(json, token, std::atoll(std::string(key).c_str()), true));
    }
    return tokens;
}

/// A name, or an object whose content it is; empty: neither.
std::string token_name(dom::element value) {
    std::string_view name;
    dom::object described;  // {"content": "<|im_end|>", …}
    if (value.get(name) && !value.get(described)) (void)!described.at_key("content").get(name);
    return std::string(name);
}

/// The names of the special tokens, of which the end of a turn is one.
std::vector<std::string> read_special_tokens_map(const std::filesystem::path& dir) {
    std::vector<std::string> names;
    if (!std::filesystem::exists(dir / "special_tokens_map.json")) return names;
    const JsonFile json(dir / "special_tokens_map.json");
    for (auto [role, value] : json.root()) {
        dom::array list;
        if (value.get(list))
            names.push_back(token_name(value));
        else
            for (auto element : list) names.push_back(token_name(element));
    }
    return names;
}

/// What transformers saved before tokenizer_config.json had an added_tokens_decoder: ids by name,
/// and the names of those that are special in a file of their own.
std::vector<AddedToken> read_added_tokens_json(const std::filesystem::path& dir) {
    std::vector<AddedToken> tokens;
    if (!std::filesystem::exists(dir / "added_tokens.json")) return tokens;
    const JsonFile json(dir / "added_tokens.json");
    const auto special = read_special_tokens_map(dir);
    for (auto [name, value] : json.root()) {
        int64_t id = -1;
        if (value.get(id) || id < 0 || id > kMaxTokenId || name.empty())
            json.fail(fmt::format("\"{}\": expected an id", name));
        AddedToken token;
        token.id = int32_t(id), token.content = name;
        token.special = std::find(special.begin(), special.end(), name) != special.end();
        token.normalized = !token.special;
        tokens.push_back(std::move(token));
    }
    return tokens;
}

std::vector<AddedToken> read_added_tokens(const std::filesystem::path& dir) {
    if (std::filesystem::exists(dir / "tokenizer_config.json")) {
        const JsonFile config(dir / "tokenizer_config.json");
        if (config.has("added_tokens_decoder")) return read_added_tokens_decoder(config);
    }
    return read_added_tokens_json(dir);
}

/// What tokenizer_config.json calls a special token, by a role or as one more.
std::vector<std::string> special_names(const JsonFile& config) {
    std::vector<std::string> names;
    for (const char* role : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                             "cls_token", "mask_token"})
        if (const auto value = config.find(role)) names.push_back(token_name(*value));
    for (const char* more : {"additional_special_tokens", "extra_special_tokens"}) {
        const auto value = config.find(more);
        dom::array list;
        dom::object by_role;
        if (value && !value->get(list))
            for (auto element : list) names.push_back(token_name(element));
        if (value && !value->get(by_role))
            for (auto [role, element] : by_role) names.push_back(token_name(element));
    }
    std::erase(names, "");
    return names;
}

/// The id of a token that was added or is of the vocabulary.
std::optional<int32_t> find_token(const Vocab& vocab, const TokenizerParts& parts,
                                  const std::string& token) {
    const auto added = std::ranges::find(parts.added_tokens, token, &AddedToken::content);
    if (added != parts.added_tokens.end()) return added->id;
    const auto known = std::ranges::find(vocab, token, &Vocab::value_type::first);
    return known == vocab.end() ? std::nullopt : std::optional(known->second);
}

/// Tokens that tokenizer_config.json has and tokenizer.json lacks, as transformers adds them: in
/// the order of their ids, which do not count, then the special ones. One that is in the vocabulary
/// keeps its id, any other has the next.
void add_configured_tokens(const JsonFile& config, const Vocab& vocab, TokenizerParts& parts) {
    std::vector<AddedToken> wanted;
    if (config.has("added_tokens_decoder")) wanted = read_added_tokens_decoder(config);
    std::ranges::sort(wanted, {}, &AddedToken::id);
    for (const std::string& name : special_names(config)) {
        AddedToken token;
        token.content = name, token.special = true;
        wanted.push_back(token);
    }
    auto next = int32_t(parts.texts.size());
    for (const AddedToken& token : parts.added_tokens) next = std::max(next, token.id + 1);
    for (AddedToken& token : wanted) {
        if (std::ranges::find(parts.added_tokens, token.content, &AddedToken::content) !=
            parts.added_tokens.end())
            continue;
        const auto known = find_token(vocab, parts, token.content);
        token.id = known ? *known : next++;
        parts.added_tokens.push_back(std::move(token));
    }
}

/// The tokens that tokenizer_config.json puts around a prompt, where no tokenizer.json says it.
TokensAround configured_around(const JsonFile& config, const Vocab& vocab,
                               const TokenizerParts& parts) {
    const auto tokens = [&](std::string_view adds, std::string_view role) {
        const auto value = config.find(role);
        const auto id = value ? find_token(vocab, parts, token_name(*value)) : std::nullopt;
        return id && config.boolean(adds, false) ? std::vector{*id} : std::vector<int32_t>();
    };
    return {tokens("add_bos_token", "bos_token"), tokens("add_eos_token", "eos_token")};
}

/// Special tokens are text wherever they are spelled, where tokenizer_config.json says so.
void split_special_tokens(const JsonFile& config, TokenizerParts& parts) {
    if (!config.boolean("split_special_tokens", false)) return;
    for (AddedToken& token : parts.added_tokens) token.stays_text = token.special;
}

/// Of other files that a tokenizer may be of, transformers makes what is wanted. Its AutoTokenizer
/// does not: it takes every folder of a Qwen2 for one with Qwen2's own tokenizer.
[[noreturn]] void fail_without_files(const std::filesystem::path& dir) {
    for (const char* other : {"vocab.txt", "tokenizer.model", "spiece.model"})
        if (std::filesystem::exists(dir / other))
            throw LoadError(
                fmt::format("{}: {} alone says too little; expected tokenizer.json, which "
                            "save_pretrained of the tokenizer's own class in transformers writes "
                            "(BertTokenizer, say)",
                            dir.string(), other));
    throw LoadError(
        fmt::format("{}: expected tokenizer.json, or vocab.json and merges.txt", dir.string()));
}

}  // namespace

TokenizerParts parse_tokenizer_json(std::string_view text, const std::string& source) {
    const JsonFile json(text, source);
    Vocab vocab;
    return read_tokenizer_json(json, vocab);
}

TokenizerParts load_tokenizer_parts(const std::filesystem::path& dir) {
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
    if (!std::filesystem::exists(dir / "vocab.json")) fail_without_files(dir);
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
        parts.around = configured_around(*config, vocab, parts);
        split_special_tokens(*config, parts);
    }
    return parts;
}

std::optional<std::string> load_special_token(const std::filesystem::path& dir,
                                              std::string_view name) {
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
