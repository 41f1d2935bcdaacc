#include "model/text/configured_tokens.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <unordered_map>
#include <unordered_set>

#include "model/text/tokenizer_pipeline.h"
#include "model/text/tokenizer_steps.h"

namespace qwend {

namespace {

namespace dom = simdjson::dom;

constexpr std::string_view kRoles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                       "pad_token", "cls_token", "mask_token"};
// The list of those that are for nothing else, by the name it has and the one it had.
constexpr std::string_view kMore = "extra_special_tokens", kMoreOnce = "additional_special_tokens";

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

/// Null counts.
bool says(const JsonFile& json, std::string_view field) {
    return json.root().at_key(field).error() == simdjson::SUCCESS;
}

/// A special token by its name or its description; empty: it is neither.
std::optional<AddedToken> special_token(const JsonFile& json, dom::element value) {
    AddedToken token;
    token.content = token_name(value);
    if (token.content.empty()) return std::nullopt;
    dom::object described;
    if (!value.get(described)) token = read_added_token(json, described, 0, false);
    token.special = true;
    return token;
}

void add(std::optional<AddedToken> token, std::vector<AddedToken>& tokens) {
    if (token) tokens.push_back(std::move(*token));
}

/// The id of a token that was added or is of the vocabulary.
std::optional<int32_t> find_token(const Vocab& vocab, const TokenizerParts& parts,
                                  const std::string& token) {
    const auto added = std::ranges::find(parts.added_tokens, token, &AddedToken::content);
    if (added != parts.added_tokens.end()) return added->id;
    const auto known = std::ranges::find(vocab, token, &Vocab::value_type::first);
    return known == vocab.end() ? std::nullopt : std::optional(known->second);
}

}  // namespace

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

std::vector<AddedToken> read_added_tokens(const std::filesystem::path& dir) {
    if (std::filesystem::exists(dir / "tokenizer_config.json")) {
        const JsonFile config(dir / "tokenizer_config.json");
        if (config.has("added_tokens_decoder")) return read_added_tokens_decoder(config);
    }
    return read_added_tokens_json(dir);
}

SpecialTokens::SpecialTokens(const JsonFile& config, const JsonFile* map, Names otherwise)
    : config_(config), map_(map), otherwise_(std::move(otherwise)) {}

std::optional<AddedToken> SpecialTokens::of(std::string_view role) const {
    for (const JsonFile* file : {map_, &config_}) {
        if (!file || !says(*file, role)) continue;
        const auto value = file->find(role);
        return value ? special_token(*file, *value) : std::nullopt;
    }
    const auto known = std::ranges::find(otherwise_, role, &Names::value_type::first);
    if (known == otherwise_.end() || known->second.empty()) return std::nullopt;
    AddedToken token;
    token.content = known->second, token.special = true;
    return token;
}

bool SpecialTokens::has_list() const {
    const auto value = config_.find(kMore);
    dom::object by_role;
    if (value && !value->get(by_role)) return false;
    return says(config_, kMore) || says(config_, kMoreOnce);
}

std::vector<AddedToken> SpecialTokens::of_roles() const {
    std::vector<AddedToken> tokens;
    for (const std::string_view role : kRoles) add(of(role), tokens);
    // Any other field with such a name is a role that this model has besides.
    for (auto [field, value] : config_.root())
        if (field.ends_with("_token") && std::ranges::find(kRoles, field) == std::end(kRoles))
            add(special_token(config_, value), tokens);
    dom::object by_role;
    if (const auto value = config_.find(kMore); value && !value->get(by_role))
        for (auto [role, element] : by_role) add(special_token(config_, element), tokens);
    return tokens;
}

std::vector<AddedToken> SpecialTokens::all() const {
    std::vector<AddedToken> tokens = of_roles();
    for (const std::string_view field : {kMore, kMoreOnce}) {
        const auto value = config_.find(field);
        dom::array list;
        if (!value || value->get(list) || list.begin() == list.end()) continue;
        for (auto element : list) add(special_token(config_, element), tokens);
        break;  // the older name counts where the newer says nothing
    }
    return tokens;
}

void add_tokens(std::vector<AddedToken> wanted, const Vocab& vocab, TokenizerParts& parts) {
    std::unordered_set<std::string> contents;
    auto next = int32_t(parts.texts.size());
    for (const AddedToken& token : parts.added_tokens) {
        contents.insert(token.content);
        next = std::max(next, token.id + 1);
    }
    const std::unordered_map<std::string_view, int32_t> ids(vocab.begin(), vocab.end());
    for (AddedToken& token : wanted) {
        if (!contents.insert(token.content).second) continue;
        const auto known = ids.find(token.content);
        token.id = known == ids.end() ? next++ : known->second;
        parts.added_tokens.push_back(std::move(token));
    }
}

void add_configured_tokens(const JsonFile& config, const Vocab& vocab, TokenizerParts& parts) {
    std::vector<AddedToken> wanted;
    if (config.has("added_tokens_decoder")) wanted = read_added_tokens_decoder(config);
    std::ranges::sort(wanted, {}, &AddedToken::id);
    for (AddedToken& token : SpecialTokens(config).all()) {  // of which the names alone count
        wanted.emplace_back();
        wanted.back().content = std::move(token.content), wanted.back().special = true;
    }
    add_tokens(std::move(wanted), vocab, parts);
}

TokensAround configured_around(const JsonFile& config, const SpecialTokens& special,
                               const Vocab& vocab, const TokenizerParts& parts) {
    const auto tokens = [&](std::string_view adds, std::string_view role) {
        const auto token = special.of(role);
        const auto id = token ? find_token(vocab, parts, token->content) : std::nullopt;
        return id && config.boolean(adds, false) ? std::vector{*id} : std::vector<int32_t>();
    };
    return {tokens("add_bos_token", "bos_token"), tokens("add_eos_token", "eos_token")};
}

void split_special_tokens(const JsonFile& config, TokenizerParts& parts) {
    if (!config.boolean("split_special_tokens", false)) return;
    for (AddedToken& token : parts.added_tokens) token.stays_text = token.special;
}

}  // namespace qwend
