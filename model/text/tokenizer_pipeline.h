#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "model/json.h"
#include "model/text/normalizer.h"
#include "model/text/split_patterns.h"

namespace qwend {

/// The steps of a tokenizer.json around its model: how they are spelled. All throw LoadError, with
/// the name of the file, for a step that is not known, since text would be encoded differently.

inline constexpr int64_t kMaxTokenId = 10'000'000;

/// The text of a field; empty where it is none.
std::string_view text_at(simdjson::dom::object object, std::string_view field);

/// What text goes through first; a normalizer that is null does nothing.
Normalizer read_normalizer(const JsonFile& json);

/// Steps that take text apart, of which the last makes bytes of it; empty: they are Qwen2's own,
/// for which there is a matcher (pretokenizer.h).
std::optional<SplitPatterns> read_pretokenizer(const JsonFile& json);

/// The special tokens that the post-processor puts around one text.
struct TokensAround {
    std::vector<int32_t> prefix, suffix;
};
TokensAround read_post_processor(const JsonFile& json);

}  // namespace qwend
