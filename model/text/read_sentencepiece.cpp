#include "model/text/read_sentencepiece.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "model/file.h"
#include "model/text/configured_tokens.h"
#include "model/text/sentencepiece_file.h"
#include "model/text/sentencepiece_pipeline.h"

namespace qwend {

namespace {

constexpr std::string_view kOwnRules[] = {"TokenizersBackend", "PreTrainedTokenizerFast"};
constexpr std::string_view kLlama[] = {"LlamaTokenizer", "LlamaTokenizerFast"};

std::string_view class_of(const JsonFile& config) {
    std::string_view name;
    if (const auto value = config.find("tokenizer_class"); value && value->get(name))
        config.fail("\"tokenizer_class\": expected a name");
    return name;
}

/// A flag that is null is not set.
bool flag(const JsonFile& config, std::string_view field, bool otherwise) {
    const bool is_said = config.root().at_key(field).error() == simdjson::SUCCESS;
    return config.boolean(field, is_said ? false : otherwise);
}

SentencePieceUse read_use(const JsonFile& config, const std::vector<AddedToken>& added) {
    const std::string_view name = class_of(config);
    SentencePieceUse use;
    use.is_llama = std::ranges::find(kLlama, name) != std::end(kLlama);
    if (!use.is_llama && !name.empty() && std::ranges::find(kOwnRules, name) == std::end(kOwnRules))
        config.fail(fmt::format(
            "\"tokenizer_class\": expected LlamaTokenizer or PreTrainedTokenizerFast for a "
            "tokenizer.model, found {}; save_pretrained of that class in transformers writes a "
            "tokenizer.json, which is read whatever the class",
            name));
    use.prefixes_all = flag(config, "legacy", !use.is_llama);
    use.prefixes = config.boolean("add_prefix_space", true);
    for (const AddedToken& token : added) use.names.emplace_back(token.id, token.content);
    return use;
}

/// The roles that pieces have where nobody says otherwise: by the file, or by LlamaTokenizer.
SpecialTokens::Names roles_of(const SentencePieceFile& file, bool is_llama) {
    const auto name = [&](int32_t id, std::string_view piece, const char* otherwise) {
        if (is_llama) return std::string(otherwise);
        return id < 0 ? std::string() : std::string(piece.empty() ? otherwise : piece);
    };
    return {{"bos_token", name(file.begin_id, file.begin, "<s>")},
            {"eos_token", name(file.end_id, file.end, "</s>")},
            {"unk_token", name(file.unknown_id, file.unknown, "<unk>")}};
}

/// Pieces that text is searched for; those that are whole by the file's rules are found later.
void append_pieces(const SentencePieceFile& file, bool is_llama, std::vector<AddedToken>& wanted) {
    for (const auto& piece : file.pieces) {
        const bool is_control = piece.type == SentencePieceFile::Type::control;
        if (!is_control && !(is_llama && piece.type == SentencePieceFile::Type::user_defined))
            continue;
        wanted.emplace_back();
        wanted.back().content = piece.text, wanted.back().special = is_control;
        wanted.back().is_piece = !is_control;
    }
}

/// All that is added, in that order: what the folder lists, roles, pieces.
std::vector<AddedToken> wanted_tokens(const SentencePieceFile& file, bool is_llama,
                                      const SpecialTokens& special,
                                      std::vector<AddedToken> wanted) {
    std::unordered_set<std::string> with_role;
    for (AddedToken& token : special.of_roles()) with_role.insert(std::move(token.content));
    for (AddedToken& token : wanted) {
        token.special |= with_role.contains(token.content);
        // So that each text between two of them has a mark before it.
        if (!is_llama && file.adds_prefix) token.normalized = false;
    }
    std::ranges::move(special.all(), std::back_inserter(wanted));
    if (!special.has_list()) append_pieces(file, is_llama, wanted);
    return wanted;
}

}  // namespace

TokenizerParts load_sentencepiece_parts(const std::filesystem::path& dir,
                                        const std::optional<JsonFile>& config) {
    const JsonFile nothing("{}", "tokenizer_config.json");
    const JsonFile& said = config ? *config : nothing;
    std::vector<AddedToken> wanted = read_added_tokens(dir);
    std::ranges::stable_sort(wanted, {}, &AddedToken::id);
    SentencePieceUse use = read_use(said, wanted);

    const std::string source = (dir / "tokenizer.model").string(),
                      bytes = read_file(dir / "tokenizer.model");
    const SentencePieceFile file = parse_sentencepiece(bytes, source);
    std::optional<JsonFile> map;  // older: it counts where the configuration has no added tokens
    if (!said.has("added_tokens_decoder") && file_exists(dir / "special_tokens_map.json"))
        map.emplace(dir / "special_tokens_map.json");
    const SpecialTokens special(said, map ? &*map : nullptr, roles_of(file, use.is_llama));
    wanted = wanted_tokens(file, use.is_llama, special, std::move(wanted));
    for (const AddedToken& token : wanted)
        if (is_name_of_mark(token.content)) use.marks.insert(token.content);

    Vocab vocab;
    TokenizerParts parts = make_sentencepiece_parts(file, use, source, vocab);
    add_tokens(std::move(wanted), vocab, parts);
    parts.around = configured_around(said, special, vocab, parts);
    split_special_tokens(said, parts);
    return parts;
}

}  // namespace qwend
