#include "model/tokenizer.h"

#include <algorithm>
#include <unordered_map>

#include "model/pretokenizer.h"
#include "model/tokenizer_files.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr size_t kCacheFrom = 512;  // bytes of text; shorter texts repeat too few words to gain
constexpr size_t kCachedWord = 32;  // bytes

/// Valid UTF-8 as it is, every maximal invalid part as U+FFFD.
std::string sanitize_utf8(std::string_view bytes) {
    std::string text;
    text.reserve(bytes.size());
    for (size_t at = 0; at < bytes.size();) {
        DecodedChar c = utf8_at(bytes, at);
        if (c.valid) {
            text.append(bytes.substr(at, c.length));
            at += c.length;
            continue;
        }
        // An incomplete sequence is replaced as a whole, like Rust's and Python's decoders do.
        size_t n = 1;
        while (at + n < bytes.size() && n < 3 && utf8_settled_length(bytes.substr(at, n + 1)) == 0)
            n++;
        text.append(kReplacement);
        at += n;
    }
    return text;
}

}  // namespace

struct Tokenizer::Impl {
    explicit Impl(TokenizerParts p) : parts(std::move(p)) {
        for (const AddedToken& token : parts.added_tokens) {
            auto& bytes = parts.bpe.token_bytes();
            if (size_t(token.id) >= bytes.size()) bytes.resize(size_t(token.id) + 1);
            bytes[token.id] = token.content;
            by_content.emplace(token.content, &token);
            starts_added[uint8_t(token.content[0])] = true;
            longest_added = std::max(longest_added, token.content.size());
            if (token.special) special.push_back(token.id);
        }
        std::sort(special.begin(), special.end());
    }

    /// The longest added token that begins at `at`, or nullptr.
    const AddedToken* added_at(std::string_view text, size_t at) const {
        if (!starts_added[uint8_t(text[at])]) return nullptr;
        for (size_t n = std::min(longest_added, text.size() - at); n > 0; n--)
            if (auto found = by_content.find(text.substr(at, n)); found != by_content.end())
                return found->second;
        return nullptr;
    }

    void encode_plain(std::string_view text, std::vector<int32_t>& ids) const;

    TokenizerParts parts;
    std::unordered_map<std::string_view, const AddedToken*> by_content;
    std::array<bool, 256> starts_added{};
    size_t longest_added = 0;
    std::vector<int32_t> special;  // ascending
};

void Tokenizer::Impl::encode_plain(std::string_view raw, std::vector<int32_t>& ids) const {
    std::string storage;
    std::string_view text = normalize_nfc(raw, storage);
    struct Range {
        size_t begin, end;
    };
    std::unordered_map<std::string_view, Range> cache;  // word → where its ids already stand
    const bool use_cache = text.size() >= kCacheFrom;
    for (size_t at = 0; at < text.size();) {
        const size_t end = pretoken_end(text, at);
        const std::string_view word = text.substr(at, end - at);
        at = end;
        if (!use_cache || word.size() > kCachedWord) {
            parts.bpe.encode(word, ids);
            continue;
        }
        auto [entry, is_new] = cache.try_emplace(word, Range{ids.size(), 0});
        if (is_new) {
            parts.bpe.encode(word, ids);
            entry->second.end = ids.size();
        } else {
            for (size_t i = entry->second.begin; i < entry->second.end; i++) ids.push_back(ids[i]);
        }
    }
}

Tokenizer Tokenizer::load(const std::filesystem::path& dir) {
    return Tokenizer(std::make_unique<Impl>(load_tokenizer_parts(dir)));
}

Tokenizer Tokenizer::parse(std::string_view tokenizer_json) {
    return Tokenizer(
        std::make_unique<Impl>(parse_tokenizer_json(tokenizer_json, "tokenizer.json")));
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
    return encode(text, {});
}

std::vector<int32_t> Tokenizer::encode(std::string_view text,
                                       std::span<const ControlSpan> spans) const {
    std::vector<int32_t> ids;
    size_t at = 0;
    for (ControlSpan span : spans) {
        auto id = added_token_id(text.substr(span.begin, span.end - span.begin));
        if (!id) continue;  // this tokenizer has no such token: it is text like any other
        impl_->encode_plain(text.substr(at, span.begin - at), ids);
        ids.push_back(*id);
        at = span.end;
    }
    impl_->encode_plain(text.substr(at), ids);
    return ids;
}

std::vector<int32_t> Tokenizer::encode_with_added_tokens(std::string_view text) const {
    std::vector<ControlSpan> spans;
    for (size_t at = 0; at < text.size();) {
        const AddedToken* token = impl_->added_at(text, at);
        if (token) spans.push_back({at, at + token->content.size()});
        at += token ? token->content.size() : 1;
    }
    return encode(text, spans);
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
    const auto& bytes = impl_->parts.bpe.token_bytes();
    return id >= 0 && size_t(id) < bytes.size() ? std::string_view(bytes[id]) : std::string_view();
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
    StreamDecoder decoder(*this, skip_special_tokens);
    std::string text;
    for (int32_t id : ids) text += decoder.push(id);
    return text + decoder.finish();
}

std::optional<int32_t> Tokenizer::added_token_id(std::string_view token) const {
    auto found = impl_->by_content.find(token);
    if (found == impl_->by_content.end()) return std::nullopt;
    return found->second->id;
}

bool Tokenizer::is_special(int32_t id) const {
    return std::binary_search(impl_->special.begin(), impl_->special.end(), id);
}

int Tokenizer::size() const {
    return int(impl_->parts.bpe.token_bytes().size());
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens)
    : tokenizer_(&tokenizer), skip_special_tokens_(skip_special_tokens) {}

std::string StreamDecoder::push(int32_t id) {
    if (skip_special_tokens_ && tokenizer_->is_special(id)) return {};
    held_.append(tokenizer_->token_bytes(id));
    const size_t settled = utf8_settled_length(held_);
    std::string text = sanitize_utf8(std::string_view(held_).substr(0, settled));
    held_.erase(0, settled);
    return text;
}

std::string StreamDecoder::finish() {
    std::string text = sanitize_utf8(held_);
    held_.clear();
    return text;
}

}  // namespace qwend
