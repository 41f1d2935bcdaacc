#include "model/text/tokenizer_files.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "model/json.h"
#include "model/text/pretokenizer.h"

namespace qwend {

namespace {

namespace dom = simdjson::dom;

constexpr int64_t kMaxTokenId = 10'000'000;

using Vocab = std::vector<std::pair<std::string_view, int32_t>>;
using Merges = std::vector<std::pair<std::string_view, std::string_view>>;

std::string_view text_at(dom::object object, std::string_view field) {
    std::string_view value;
    (void)!object.at_key(field).get(value);
    return value;
}

void expect(const JsonFile& json, std::string_view what, std::string_view expected,
            std::string_view found) {
    if (found != expected)
        json.fail(fmt::format("{}: expected {}, found \"{}\"; this is not Qwen2's tokenizer", what,
                              expected, found));
}

/// The pre-tokenizer must be Split(the published regex) and then ByteLevel.
void check_pretokenizer(const JsonFile& json) {
    dom::object pre, split, pattern, byte_level;
    dom::array steps;
    if (json.root().at_key("pre_tokenizer").get(pre) || pre.at_key("pretokenizers").get(steps) ||
        steps.size() != 2 || steps.at(0).get(split) || steps.at(1).get(byte_level) ||
        split.at_key("pattern").get(pattern))
        json.fail("pre_tokenizer: expected a Sequence of Split and ByteLevel");
    expect(json, "pre_tokenizer", "Split", text_at(split, "type"));
    expect(json, "pre_tokenizer regex", kQwenPretokenizerRegex, text_at(pattern, "Regex"));
    expect(json, "pre_tokenizer", "ByteLevel", text_at(byte_level, "type"));
}

/// Whether text becomes NFC first: null and an empty Sequence do nothing.
bool read_normalizer(const JsonFile& json) {
    const auto element = json.find("normalizer");
    dom::object normalizer;
    dom::array steps;
    if (!element) return false;
    if (element->get(normalizer)) json.fail("normalizer: expected an object or null");
    if (text_at(normalizer, "type") != "Sequence") {
        expect(json, "normalizer", "NFC", text_at(normalizer, "type"));
        return true;
    }
    if (normalizer.at_key("normalizers").get(steps)) json.fail("normalizer: expected normalizers");
    for (auto element : steps) {
        dom::object step;
        if (element.get(step)) json.fail("normalizers: expected objects");
        expect(json, "normalizer", "NFC", text_at(step, "type"));
    }
    return steps.size() > 0;
}

/// The special tokens that a TemplateProcessing puts before and after one text.
void read_template(const JsonFile& json, dom::object processor, TokenizerParts& parts) {
    dom::array pieces;
    dom::object known;
    if (processor.at_key("single").get(pieces) || processor.at_key("special_tokens").get(known))
        json.fail("post_processor: expected single and special_tokens");
    bool is_behind = false;
    for (auto element : pieces) {
        dom::object piece, special, described;
        dom::array ids;
        if (element.get(piece)) json.fail("post_processor.single: expected objects");
        if (piece.at_key("SpecialToken").get(special)) {
            is_behind = true;  // the text itself
            continue;
        }
        const std::string_view name = text_at(special, "id");
        if (known.at_key(name).get(described) || described.at_key("ids").get(ids))
            json.fail(fmt::format("post_processor: expected ids of \"{}\"", name));
        for (auto value : ids) {
            int64_t id = -1;
            if (value.get(id) || id < 0 || id > kMaxTokenId)
                json.fail(fmt::format("post_processor: expected token ids of \"{}\"", name));
            (is_behind ? parts.suffix : parts.prefix).push_back(int32_t(id));
        }
    }
}

void read_post_processor(const JsonFile& json, dom::object processor, TokenizerParts& parts) {
    const std::string_view type = text_at(processor, "type");
    dom::array steps;
    if (type == "ByteLevel") return;  // it moves offsets alone
    if (type == "TemplateProcessing") return read_template(json, processor, parts);
    if (type != "Sequence" || processor.at_key("processors").get(steps))
        json.fail(fmt::format(
            "post_processor: expected ByteLevel or TemplateProcessing, or a Sequence of them, "
            "found \"{}\"",
            type));
    for (auto element : steps) {
        dom::object step;
        if (element.get(step) || text_at(step, "type") == "Sequence")
            json.fail("post_processor.processors: expected ByteLevel and TemplateProcessing");
        read_post_processor(json, step, parts);
    }
}

void check_pipeline(const JsonFile& json, dom::object model) {
    expect(json, "model", "BPE", text_at(model, "type"));
    bool on = false;
    if (!model.at_key("byte_fallback").get(on) && on)
        json.fail("model.byte_fallback: expected false, found true");
    check_pretokenizer(json);
}

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
        return size_t(id) < parts.bpe.token_bytes().size() ||
               std::any_of(parts.added_tokens.begin(), parts.added_tokens.end(),
                           [&](const AddedToken& token) { return token.id == id; });
    };
    for (const auto* ids : {&parts.prefix, &parts.suffix})
        for (int32_t id : *ids)
            if (!is_token(id)) json.fail(fmt::format("post_processor: {} is no token", id));
}

TokenizerParts read_tokenizer_json(const JsonFile& json) {
    dom::object model, vocab;
    dom::array merges, added;
    if (json.root().at_key("model").get(model) || model.at_key("vocab").get(vocab) ||
        model.at_key("merges").get(merges))
        json.fail("expected model.vocab and model.merges");
    check_pipeline(json, model);
    bool ignores_merges = false;
    (void)!model.at_key("ignore_merges").get(ignores_merges);
    TokenizerParts parts{
        .bpe = {read_vocab(json, vocab), read_merges(json, merges), json.name(), ignores_merges},
        .added_tokens = {},
        .is_nfc = read_normalizer(json),
        .prefix = {},
        .suffix = {}};
    if (const auto element = json.find("post_processor")) {
        dom::object processor;
        if (element->get(processor)) json.fail("post_processor: expected an object or null");
        read_post_processor(json, processor, parts);
    }
    (void)!json.root().at_key("added_tokens").get(added);
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

/// The names of the special tokens, of which the end of a turn is one.
std::vector<std::string> read_special_tokens_map(const std::filesystem::path& dir) {
    std::vector<std::string> names;
    if (!std::filesystem::exists(dir / "special_tokens_map.json")) return names;
    const JsonFile json(dir / "special_tokens_map.json");
    auto add = [&](dom::element value) {
        std::string_view name;
        dom::object described;  // {"content": "<|im_end|>", …}
        if (!value.get(name) || (!value.get(described) && !described.at_key("content").get(name)))
            names.emplace_back(name);
    };
    for (auto [role, value] : json.root()) {
        dom::array list;
        if (value.get(list))
            add(value);
        else
            for (auto element : list) add(element);
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

}  // namespace

TokenizerParts parse_tokenizer_json(std::string_view text, const std::string& source) {
    return read_tokenizer_json(JsonFile(text, source));
}

TokenizerParts load_tokenizer_parts(const std::filesystem::path& dir) {
    if (std::filesystem::exists(dir / "tokenizer.json"))
        return read_tokenizer_json(JsonFile(dir / "tokenizer.json"));
    if (!std::filesystem::exists(dir / "vocab.json"))
        throw LoadError(
            fmt::format("{}: expected tokenizer.json, or vocab.json and merges.txt", dir.string()));
    JsonFile vocab(dir / "vocab.json");
    std::string merges = read_file(dir / "merges.txt");
    Bpe bpe(read_vocab(vocab, vocab.root()),
            parse_merges_txt(merges, (dir / "merges.txt").string()), vocab.name());
    return {.bpe = std::move(bpe),
            .added_tokens = read_added_tokens(dir),
            .is_nfc = true,
            .prefix = {},
            .suffix = {}};
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
