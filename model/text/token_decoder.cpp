#include "model/text/token_decoder.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "model/text/byte_alphabet.h"
#include "model/text/regex.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// What WordPiece's decoder has always taken for English.
constexpr std::pair<std::string_view, std::string_view> kCleanUps[] = {
    {" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
    {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
    {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};

/// As Rust's does: a part that is empty is found before every character and at the end.
void replace_all(std::string& text, std::string_view part, std::string_view content) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
        const size_t found = part.empty() ? at : std::min(text.find(part, at), text.size());
        out.append(text, at, found - at);
        if (found < text.size()) out.append(content);
        at = found + part.size();
        if (!part.empty()) continue;
        const auto n = size_t(utf8_at(text, at).length);
        out.append(text, at, n);
        at += n;
    }
    if (part.empty()) out.append(content);
    text = std::move(out);
}

void clean_up(std::string& token) {
    for (const auto& [part, content] : kCleanUps) replace_all(token, part, content);
}

/// 0 to 255 of a token <0xE4>, or <0x+4> as Rust reads numbers; below 0: it is another.
int byte_of(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || !token.ends_with('>')) return -1;
    int value = 0;
    for (const char c : token.substr(token[3] == '+' ? 4 : 3, token[3] == '+' ? 1 : 2)) {
        const char lower = char(c | 0x20);
        const int digit = c >= '0' && c <= '9'           ? c - '0'
                          : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                         : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/// Tokens <0xE4> one after another are the characters that they spell, or each of them is U+FFFD.
std::vector<std::string> join_bytes(std::vector<std::string> tokens) {
    std::vector<std::string> out;
    std::string bytes;
    auto end_bytes = [&] {
        if (bytes.empty()) return;
        std::string text = text_of_bytes(bytes, true);
        if (text == bytes)
            out.push_back(std::move(text));
        else
            out.insert(out.end(), bytes.size(), std::string(kReplacement));
        bytes.clear();
    };
    for (std::string& token : tokens) {
        if (const int byte = byte_of(token); byte >= 0) {
            bytes += char(byte);
            continue;
        }
        end_bytes();
        out.push_back(std::move(token));
    }
    end_bytes();
    return out;
}

}  // namespace

std::string text_of_bytes(std::string_view bytes, bool is_by_byte) {
    std::string text;
    text.reserve(bytes.size());
    for (size_t at = 0; at < bytes.size();) {
        const DecodedChar c = utf8_at(bytes, at);
        if (c.valid) {
            text.append(bytes.substr(at, size_t(c.length)));
            at += size_t(c.length);
            continue;
        }
        // An incomplete sequence is replaced as a whole, like Rust's and Python's decoders do.
        size_t n = 1;
        while (!is_by_byte && at + n < bytes.size() && n < 3 &&
               utf8_settled_length(bytes.substr(at, n + 1)) == 0)
            n++;
        text.append(kReplacement);
        at += n;
    }
    return text;
}

void TokenDecoder::add_byte_level() {
    if (!has_joined()) is_byte_level_ = true;
    auto each = [](std::string& token, Place place) {
        std::string bytes;
        if (!place.is_added && bytes_from_alphabet(token, bytes)) token = std::move(bytes);
        return true;
    };
    steps_.push_back({each, Kind::byte_level});
    if (!has_joined()) n_before_join_ = steps_.size();
}

void TokenDecoder::add_byte_fallback() {
    if (!has_joined()) replaces_bytes = true;
    auto each = [](std::string& token, Place) {
        const int byte = byte_of(token);
        if (byte >= 0) token = std::string(1, char(byte));
        return byte >= 0x80;  // what is a character by itself, the next steps see
    };
    steps_.push_back({each, Kind::byte_fallback});
}

void TokenDecoder::add_fuse() {
    if (!has_joined()) n_before_join_ = steps_.size();
    steps_.push_back({{}, Kind::fuse});
}

void TokenDecoder::add_replace(const std::string& regex, std::string content,
                               const std::string& source) {
    auto pattern = std::make_shared<const Regex>(regex, source + ": decoder");
    auto each = [pattern, content = std::move(content)](std::string& token, Place) {
        if (!token.empty()) pattern->replace_all(token, content);  // nothing is in nothing
        return false;
    };
    steps_.push_back({std::move(each)});
}

void TokenDecoder::add_strip(std::string content, size_t n_start, size_t n_stop) {
    auto each = [=, content = std::move(content)](std::string& token, Place place) {
        std::string_view left = token;
        for (size_t n = place.goes_on ? 0 : n_start; n > 0 && left.starts_with(content); n--)
            left.remove_prefix(content.size());
        for (size_t n = n_stop; n > 0 && left.ends_with(content); n--)
            left.remove_suffix(content.size());
        if (left.size() < token.size()) token = std::string(left);
        return false;
    };
    steps_.push_back({std::move(each)});
}

void TokenDecoder::add_metaspace(std::string mark, bool prepends) {
    knows_places_ = true;
    auto each = [mark = std::move(mark), prepends](std::string& token, Place place) {
        replace_all(token, mark, place.is_first && prepends ? "" : " ");
        return false;
    };
    steps_.push_back({std::move(each)});
}

void TokenDecoder::add_word_piece(std::string prefix, bool cleans_up) {
    knows_places_ = true;
    auto each = [prefix = std::move(prefix), cleans_up](std::string& token, Place place) {
        if (!place.is_first && token.starts_with(prefix))
            token.erase(0, prefix.size());
        else if (!place.is_first)
            token.insert(token.begin(), ' ');
        if (cleans_up) clean_up(token);
        return false;
    };
    steps_.push_back({std::move(each)});
}

void TokenDecoder::add_word_end(std::string suffix) {
    knows_places_ = true;
    auto each = [suffix = std::move(suffix)](std::string& token, Place place) {
        replace_all(token, suffix, place.is_last ? "" : " ");
        return false;
    };
    steps_.push_back({std::move(each)});
}

void TokenDecoder::add_ctc(std::string pad, std::string delimiter, bool cleans_up) {
    if (!has_joined() && !ctc_) ctc_ = steps_.size();
    auto each = [pad = std::move(pad), delimiter = std::move(delimiter), cleans_up](
                    std::string& token, Place) {
        replace_all(token, pad, "");
        if (cleans_up) {
            clean_up(token);
            replace_all(token, delimiter, " ");
        }
        return token.empty();
    };
    steps_.push_back({std::move(each), Kind::ctc});
}

void TokenDecoder::add_spaces() {
    knows_places_ = true;
    auto each = [](std::string& token, Place place) {
        if (!place.is_first) token.insert(token.begin(), ' ');
        return false;
    };
    steps_.push_back({each});
}

void TokenDecoder::need_all(std::string step) {
    if (!needs_all()) needs_all_ = std::move(step);
}

std::string TokenDecoder::run(std::string_view token, Place place, size_t n_steps) const {
    std::string text(token);
    for (size_t i = 0; i < n_steps; i++)
        if (steps_[i].each(text, place)) break;
    return text;
}

/// All tokens of a text, on their way through the steps.
struct TokenDecoder::Whole {
    std::vector<std::string> tokens;
    bool begins_text;
    bool is_joined = false;

    void take(const Step& step) {
        if (step.kind == Kind::ctc)
            tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
        // What goes on with another text is longer than a byte is spelled.
        if (step.kind == Kind::byte_fallback && (begins_text || !is_joined))
            tokens = join_bytes(std::move(tokens));
        if (step.kind == Kind::each || step.kind == Kind::ctc || step.kind == Kind::byte_level)
            for (size_t i = 0; i < tokens.size(); i++) step.each(tokens[i], place(i));
        if (step.kind == Kind::ctc)
            std::erase_if(tokens, [](const std::string& token) { return token.empty(); });
        if (step.kind == Kind::fuse) join(text());
        if (step.kind == Kind::byte_level) join(text_of_bytes(text(), false));
    }

    Place place(size_t i) const {
        return {.is_first = i == 0 && (begins_text || is_joined),
                .is_last = i + 1 == tokens.size(),
                .goes_on = is_joined && !begins_text};
    }

    std::string text() const {
        std::string all;
        for (const std::string& token : tokens) all += token;
        return all;
    }

    void join(std::string all) {
        tokens.clear();
        tokens.push_back(std::move(all));
        is_joined = true;
    }
};

std::string TokenDecoder::decode_all(std::vector<std::string> tokens, bool begins_text) const {
    Whole whole{std::move(tokens), begins_text};
    for (const Step& step : steps_) whole.take(step);
    return whole.text();
}

}  // namespace qwend
