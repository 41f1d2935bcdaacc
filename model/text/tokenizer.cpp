#include "model/text/tokenizer.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <unordered_map>
#include <utility>
#include <variant>

#include "model/text/pretokenizer.h"
#include "model/text/tokenizer_files.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr size_t kCacheFrom = 512;  // bytes of text; shorter ones repeat too few words to gain
constexpr size_t kKnownWord = 32;   // bytes; longer words repeat too seldom
constexpr size_t kTextPerKnownWord = 16;  // bytes of text
constexpr size_t kMostKnownWords = 8192;

}  // namespace

struct Tokenizer::Impl {
    explicit Impl(TokenizerParts p) : parts(std::move(p)) {
        std::vector<AddedToken>
            sets[4];  // in text as it stands, in normalised text, of these words; marks
        // A vocabulary may have marks too, which a model would make of text that spells them.
        std::vector<int32_t> left_out;
        for (AddedToken& token : parts.added_tokens) {
            parts.texts.set_added(token.id, token.content);
            by_content.emplace(token.content, &token);
            added.push_back(token.id);
            if (is_name_of_mark(token.content)) left_out.push_back(token.id);
            if (token.special) special.push_back(token.id);
            AddedToken matched = token;
            std::string storage;
            if (token.normalized) matched.content = normalize(token.content, storage);
            if (is_word(token))
                sets[2].push_back(matched);
            else
                sets[3].push_back({.id = token.id, .content = token.content});
            sets[token.normalized ? 1 : 0].push_back(std::move(matched));
        }
        as_it_stands = AddedTokens(std::move(sets[0]));
        normalized = AddedTokens(std::move(sets[1]));
        words = AddedTokens(std::move(sets[2]));
        marks = AddedTokens(std::move(sets[3]));
        std::sort(special.begin(), special.end());
        std::sort(added.begin(), added.end());
        std::sort(left_out.begin(), left_out.end());
        std::visit([&](auto& model) { model.leave_out(left_out); }, parts.model);
    }

    /// Whether a token is a word that was added to the vocabulary, not a control token: then a
    /// message may use it. Adding words makes them so; a name in brackets is a mark all the same.
    static bool is_word(const AddedToken& token) {
        return (token.normalized || token.is_piece) && !token.special &&
               !(token.content.starts_with('<') && token.content.ends_with('>'));
    }

    std::string_view normalize(std::string_view text, std::string& storage) const {
        return parts.normalizer.normalize(text, storage);
    }

    /// A piece of a text, in which no token is matched any more before it is normalised; nothing
    /// stands before it if it `is_start`.
    void encode_piece(std::string_view piece, bool is_start, const AddedTokens& added,
                      std::vector<int32_t>& ids) const {
        std::string storage;
        const std::string_view text = normalize(piece, storage);
        size_t at = 0;
        auto encode_until = [&](size_t end) {
            if (at < end) encode_plain(text.substr(at, end - at), is_start && at == 0, ids);
        };
        for (const AddedTokenMatch& match : added.find(text)) {
            encode_until(match.begin);
            ids.push_back(match.id);
            at = match.end;
        }
        encode_until(text.size());
    }

    /// The whole, with the tokens that are known already.
    std::vector<int32_t> encode(std::string_view text, std::span<const AddedTokenMatch> known,
                                const AddedTokens& added) const {
        std::vector<int32_t> ids;
        size_t at = 0;
        auto encode_until = [&](size_t end) {
            if (at < end) encode_piece(text.substr(at, end - at), at == 0, added, ids);
        };
        for (const AddedTokenMatch& match : known) {
            encode_until(match.begin);
            ids.push_back(match.id);
            at = match.end;
        }
        encode_until(text.size());
        return ids;
    }

    void encode_plain(std::string_view text, bool is_start, std::vector<int32_t>& ids) const;

    TokenizerParts parts;
    std::unordered_map<std::string_view, const AddedToken*> by_content;
    AddedTokens as_it_stands, normalized, words;
    AddedTokens marks;  // all but the words, without the white space that some take along
    std::vector<int32_t> added, special;  // ascending
    int n_left_out = 0;
};

/// Words repeat, so the ids of the last ones are remembered: by hash alone, one word a place, for a
/// text made of words that collide must not cost more than one without repetitions.
void Tokenizer::Impl::encode_plain(std::string_view text, bool is_start,
                                   std::vector<int32_t>& ids) const {
    struct Known {
        std::string_view word;
        size_t begin = 0, end = 0;  // where its ids stand already
    };
    std::vector<Known> known;
    if (text.size() >= kCacheFrom)
        known.resize(std::min(std::bit_ceil(text.size() / kTextPerKnownWord), kMostKnownWords));
    auto encode = [&](std::string_view word) {
        std::visit([&](const auto& model) { model.encode(word, ids); }, parts.model);
    };
    auto encode_word = [&](std::string_view word) {
        if (known.empty() || word.size() > kKnownWord) return encode(word);
        Known& place = known[std::hash<std::string_view>()(word) & (known.size() - 1)];
        if (place.word == word) {
            for (size_t i = place.begin; i < place.end; i++) ids.push_back(ids[i]);
        } else {
            const size_t begin = ids.size();
            encode(word);
            place = {word, begin, ids.size()};
        }
    };
    std::string storage;
    if (!parts.splits)
        for (size_t at = 0; at < text.size();) {
            const size_t end = pretoken_end(text, at);
            encode_word(text.substr(at, end - at));
            at = end;
        }
    else
        for (const TextPiece piece : parts.splits->split(text, storage, is_start))
            encode_word(text.substr(piece.begin, piece.end - piece.begin));
}

Tokenizer Tokenizer::load(const std::filesystem::path& dir, int n_rows) {
    TokenizerParts parts = load_tokenizer_parts(dir);
    const auto n_left_out = int(std::erase_if(
        parts.added_tokens, [&](const AddedToken& token) { return token.id >= n_rows; }));
    Tokenizer tokenizer(std::make_unique<Impl>(std::move(parts)));
    tokenizer.impl_->n_left_out = n_left_out;
    return tokenizer;
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
    std::vector<AddedTokenMatch> known;
    for (ControlSpan span : spans)
        for (const auto& found :
             impl_->marks.find(text.substr(span.begin, span.end - span.begin))) {
            const size_t begin = span.begin + found.begin, end = span.begin + found.end;
            const auto token = impl_->by_content.find(text.substr(begin, end - begin));
            add_match(text, begin, end, *token->second, known);
        }
    return impl_->encode(text, known, impl_->words);
}

std::vector<int32_t> Tokenizer::encode_with_added_tokens(std::string_view text) const {
    return impl_->encode(text, impl_->as_it_stands.find(text), impl_->normalized);
}

void Tokenizer::add_special_tokens(std::vector<int32_t>& ids) const {
    const auto& [prefix, suffix] = impl_->parts.around;
    ids.insert(ids.begin(), prefix.begin(), prefix.end());
    ids.insert(ids.end(), suffix.begin(), suffix.end());
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
    return impl_->parts.texts.of(id);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens,
                              bool begins_text) const {
    StreamDecoder decoder(*this, skip_special_tokens, begins_text);
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

bool Tokenizer::is_added(int32_t id) const {
    return std::binary_search(impl_->added.begin(), impl_->added.end(), id);
}

std::string_view Tokenizer::textless_by() const {
    return impl_->parts.texts.decoder().textless_by();
}

int Tokenizer::n_left_out() const {
    return impl_->n_left_out;
}

int Tokenizer::size() const {
    return int(impl_->parts.texts.size());
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens, bool begins_text)
    : tokenizer_(&tokenizer), skip_special_tokens_(skip_special_tokens), is_first_(begins_text) {
    if (begins_text) n_to_strip_ = tokenizer.impl_->parts.texts.decoder().n_stripped;
}

std::string StreamDecoder::push(int32_t id) {
    const TokenTexts& texts = tokenizer_->impl_->parts.texts;
    if ((skip_special_tokens_ && tokenizer_->is_special(id)) || texts.kind(id) < 0) return {};
    if (texts.decoder().needs_all()) {
        all_.push_back(id);
        return {};
    }
    if (texts.decoder().drops_repeats() &&
        std::exchange(last_kind_, texts.kind(id)) == texts.kind(id))
        return {};
    if (texts.is_dropped(id)) return {};
    const TokenText text = texts.text(id, std::exchange(is_first_, false));
    held_.append(more_).append(text.settled);
    more_ = text.more, end_ = text.end;
    return take(utf8_settled_length(held_));
}

std::string StreamDecoder::take(size_t n_bytes) {
    const TokenDecoder& decoder = tokenizer_->impl_->parts.texts.decoder();
    std::string text =
        text_of_bytes(std::string_view(held_).substr(0, n_bytes), decoder.replaces_bytes);
    held_.erase(0, n_bytes);
    size_t n_stripped = 0;
    for (; n_to_strip_ > 0 && n_stripped < text.size(); n_to_strip_--)
        if (std::string_view(text).substr(n_stripped).starts_with(decoder.stripped_character))
            n_stripped += decoder.stripped_character.size();
        else
            n_to_strip_ = 1;  // the last: the text has begun
    return text.erase(0, n_stripped);
}

/// What the decoder makes of all tokens.
std::string StreamDecoder::take_all() {
    const TokenTexts& texts = tokenizer_->impl_->parts.texts;
    std::vector<std::string> tokens;
    tokens.reserve(all_.size());
    for (const int32_t id : std::exchange(all_, {})) tokens.emplace_back(texts.spelling(id));
    return texts.decoder().decode_all(std::move(tokens), is_first_);
}

std::string StreamDecoder::finish() {
    if (tokenizer_->impl_->parts.texts.decoder().needs_all()) return take_all();
    held_.append(end_);
    more_ = end_ = {};
    return take(held_.size());
}

std::string StreamDecoder::finish_cut() {
    if (tokenizer_->impl_->parts.texts.decoder().needs_all()) return take_all();
    held_.append(end_);
    more_ = end_ = {};
    return take(utf8_settled_length(held_));
}

std::string StreamDecoder::held() const {
    if (tokenizer_->impl_->parts.texts.decoder().needs_all()) return {};
    return StreamDecoder(*this).finish();
}

}  // namespace qwend
