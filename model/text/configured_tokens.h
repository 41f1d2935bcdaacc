#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/json.h"
#include "model/text/added_tokens.h"
#include "model/text/read_model.h"
#include "model/text/tokenizer_parts.h"

namespace qwend {

/// What tokenizer_config.json and the files beside it say of tokens, as transformers 5 reads them.
/// All throw LoadError with the name of the file.

/// One entry of tokenizer.json, or of tokenizer_config.json (`config`).
AddedToken read_added_token(const JsonFile& json, simdjson::dom::object object, int64_t id,
                            bool config);

/// The added tokens of DIR/tokenizer_config.json or, older, added_tokens.json; with their ids.
std::vector<AddedToken> read_added_tokens(const std::filesystem::path& dir);

/// Special tokens by what they are for, and more that are for nothing else.
class SpecialTokens {
  public:
    using Names = std::vector<std::pair<std::string_view, std::string>>;
    /// What `map` says of a role counts before what `config` says; `otherwise` is what a role has
    /// of which neither says anything. The files outlive it.
    explicit SpecialTokens(const JsonFile& config, const JsonFile* map = nullptr,
                           Names otherwise = {});

    /// The token of a role ("bos_token"); empty: it has none.
    std::optional<AddedToken> of(std::string_view role) const;
    /// Those that have a role, without ids, and all, in the order in which they are added.
    std::vector<AddedToken> of_roles() const;
    std::vector<AddedToken> all() const;
    /// Whether the configuration lists those that are for nothing else, if only to say none.
    bool has_list() const;

  private:
    const JsonFile& config_;
    const JsonFile* map_;
    Names otherwise_;
};

/// Adds to the parts what they lack, in this order, which is that of the ids: one that is in the
/// vocabulary keeps its id, any other has the next.
void add_tokens(std::vector<AddedToken> wanted, const Vocab& vocab, TokenizerParts& parts);

/// Tokens that tokenizer_config.json has and tokenizer.json lacks: in the order of their ids, which
/// do not count, then the special ones.
void add_configured_tokens(const JsonFile& config, const Vocab& vocab, TokenizerParts& parts);

/// The tokens that tokenizer_config.json puts around a prompt, where no tokenizer.json says it.
TokensAround configured_around(const JsonFile& config, const SpecialTokens& special,
                               const Vocab& vocab, const TokenizerParts& parts);

/// Special tokens are text wherever they are spelled, where tokenizer_config.json says so.
void split_special_tokens(const JsonFile& config, TokenizerParts& parts);

}  // namespace qwend
