#include "model/text/token_decoder.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "model/text/byte_alphabet.h"
#include "model/text/regex.h"
#include "model/utf8.h"

namespace qwend {

namespace {

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

/// 0 to 255 of a token <0xE4>; below 0: it is another.
int byte_of(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || !token.ends_with('>')) return -1;
    int value = 0;
    for (const char c : token.substr(3, 2)) {
        const char lower = char(c | 0x20);
        const int digit = c >= '0' && c <= '9'           ? c - '0'
                          : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                         : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

}  // namespace

void TokenDecoder::add_byte_level() {
    is_byte_level_ = true;
    steps_.push_back([](std::string& token, Place) {
        std::string bytes;
        if (bytes_from_alphabet(token, bytes)) token = bytes;
        return true;
    });
}

void TokenDecoder::add_byte_fallback() {
    replaces_bytes = true;
    steps_.push_back([](std::string& token, Place) {
        const int byte = byte_of(token);
        if (byte >= 0) token = std::string(1, char(byte));
        return byte >= 0x80;  // what is a character by itself, the next steps see
    });
}

void TokenDecoder::add_replace(const std::string& regex, std::string content,
                               const std::string& source) {
    auto pattern = std::make_shared<const Regex>(regex, source + ": decoder");
    steps_.push_back([pattern, content = std::move(content)](std::string& token, Place) {
        pattern->replace_all(token, content);
        return false;
    });
}

void TokenDecoder::add_strip(std::string content, size_t n_start, size_t n_stop) {
    steps_.push_back([=](std::string& token, Place) {
        for (size_t n = n_start; n > 0 && token.starts_with(content); n--)
            token.erase(0, content.size());
        for (size_t n = n_stop; n > 0 && token.ends_with(content); n--)
            token.resize(token.size() - content.size());
        return false;
    });
}

void TokenDecoder::add_metaspace(std::string mark, bool prepends) {
    knows_places_ = true;
    steps_.push_back([mark = std::move(mark), prepends](std::string& token, Place place) {
        replace_all(token, mark, place.is_first && prepends ? "" : " ");
        return false;
    });
}

void TokenDecoder::add_word_piece(std::string prefix, bool cleans_up) {
    knows_places_ = true;
    steps_.push_back([prefix = std::move(prefix), cleans_up](std::string& token, Place place) {
        if (!place.is_first && token.starts_with(prefix))
            token.erase(0, prefix.size());
        else if (!place.is_first)
            token.insert(token.begin(), ' ');
        if (cleans_up) clean_up(token);
        return false;
    });
}

void TokenDecoder::add_word_end(std::string suffix) {
    knows_places_ = true;
    steps_.push_back([suffix = std::move(suffix)](std::string& token, Place place) {
        replace_all(token, suffix, place.is_last ? "" : " ");
        return false;
    });
}

void TokenDecoder::add_ctc(std::string pad, std::string delimiter, bool cleans_up) {
    ctc_ = steps_.size();
    steps_.push_back(
        [=, pad = std::move(pad), delimiter = std::move(delimiter)](std::string& token, Place) {
            replace_all(token, pad, "");
            if (cleans_up) {
                clean_up(token);
                replace_all(token, delimiter, " ");
            }
            return token.empty();
        });
}

void TokenDecoder::add_spaces() {
    knows_places_ = true;
    steps_.push_back([](std::string& token, Place place) {
        if (!place.is_first) token.insert(token.begin(), ' ');
        return false;
    });
}

std::string TokenDecoder::run(std::string_view token, Place place, size_t n_steps) const {
    std::string text(token);
    for (size_t i = 0; i < n_steps; i++)
        if (steps_[i](text, place)) break;
    return text;
}

}  // namespace qwend
