#include "model/text/split_patterns.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "model/text/added_tokens.h"
#include "model/text/byte_alphabet.h"
#include "model/text/regex.h"
#include "model/text/scripts.h"
#include "model/utf8.h"

namespace qwend {

namespace {

struct Part : TextPiece {
    bool is_match;
};

/// Runs that are UTF-8 and those that are not.
std::vector<TextPiece> encoded_runs(std::string_view text) {
    std::vector<TextPiece> runs;
    bool was_valid = true;
    for (size_t at = 0; at < text.size();) {
        const DecodedChar c = utf8_at(text, at);
        if (runs.empty() || c.valid != was_valid) runs.push_back({at, at});
        was_valid = c.valid;
        runs.back().end = at += size_t(c.length);
    }
    return runs;
}

/// Matches of a pattern in `piece` of a text, and what is between them; an empty match counts.
std::vector<Part> parts_of(const Regex& regex, std::string_view text, TextPiece piece) {
    std::vector<Part> parts;
    size_t taken = piece.begin;  // what is before it is taken apart already
    regex.find_all(text.substr(piece.begin, piece.end - piece.begin),
                   [&](size_t begin, size_t end) {
                       begin += piece.begin, end += piece.begin;
                       if (begin > taken) parts.push_back({{taken, begin}, false});
                       parts.push_back({{begin, end}, true});
                       taken = end;
                   });
    if (taken < piece.end) parts.push_back({{taken, piece.end}, false});
    return parts;
}

/// Joins each match with the part that was before it, or where `joins_matches` with any that is of
/// its kind.
void join_parts(std::vector<Part>& parts, bool joins_matches) {
    size_t n = 0;
    bool was_match = false;
    for (const Part& part : parts) {
        const bool joins = joins_matches ? part.is_match == was_match : part.is_match && !was_match;
        was_match = part.is_match;
        if (joins && n > 0) {  // the parts may run backwards
            parts[n - 1].begin = std::min(parts[n - 1].begin, part.begin);
            parts[n - 1].end = std::max(parts[n - 1].end, part.end);
        } else {
            parts[n++] = part;
        }
    }
    parts.resize(n);
}

void apply(SplitBehavior behavior, std::vector<Part>& parts) {
    switch (behavior) {
        case SplitBehavior::isolated:
            return;
        case SplitBehavior::removed:
            std::erase_if(parts, [](const Part& part) { return part.is_match; });
            return;
        case SplitBehavior::merged_with_previous:
            return join_parts(parts, false);
        case SplitBehavior::merged_with_next:
            std::ranges::reverse(parts);
            join_parts(parts, false);
            std::ranges::reverse(parts);
            return;
        case SplitBehavior::contiguous:
            return join_parts(parts, true);
    }
}

/// What the pieces become, one after the other.
template <class Rewrite>
std::string rewritten(std::string_view text, bool is_start, std::vector<TextPiece>& pieces,
                      const Rewrite& rewrite) {
    std::string out;
    out.reserve(text.size() + pieces.size());
    for (TextPiece& piece : pieces) {
        const bool is_first = is_start && piece.begin == 0;
        const std::string_view own = text.substr(piece.begin, piece.end - piece.begin);
        piece.begin = out.size();
        rewrite(own, is_first, out);
        piece.end = out.size();
    }
    return out;
}

void split_words(const AddedTokens& words, std::string_view text, TextPiece piece,
                 std::vector<TextPiece>& pieces) {
    size_t taken = piece.begin;
    for (const auto& word : words.find(text.substr(piece.begin, piece.end - piece.begin))) {
        const size_t begin = piece.begin + word.begin, end = piece.begin + word.end;
        if (begin > taken) pieces.push_back({taken, begin});
        pieces.push_back({begin, end});
        taken = end;
    }
    if (taken < piece.end) pieces.push_back({taken, piece.end});
}

void split_scripts(std::string_view text, TextPiece piece, std::vector<TextPiece>& pieces) {
    if (!utf8_at(text, piece.begin).valid) return pieces.push_back(piece);
    int last = 0;
    TextPiece run{piece.end, piece.end};
    for (size_t at = piece.begin; at < piece.end;) {
        const DecodedChar c = utf8_at(text, at);
        const int script = c.code_point == ' ' ? 0 : script_of(c.code_point);
        if (script != 0 && script != last) {
            if (last != 0) pieces.push_back({run.begin, at});
            run.begin = at, last = script;
        }
        at += size_t(c.length);
    }
    if (last != 0) pieces.push_back(run);
}

}  // namespace

struct SplitPatterns::Step {
    std::optional<Regex> regex;  // empty: it is a rewrite, or splits by words or scripts
    std::optional<AddedTokens> words;
    SplitPattern pattern;
    Rewrite rewrite;

    void split(std::string_view text, TextPiece piece, std::vector<TextPiece>& pieces) const;
};

void SplitPatterns::Step::split(std::string_view text, TextPiece piece,
                                std::vector<TextPiece>& pieces) const {
    if (words) return split_words(*words, text, piece, pieces);
    if (!regex) return split_scripts(text, piece, pieces);
    std::vector<Part> parts = parts_of(*regex, text, piece);
    if (pattern.is_inverted)
        for (Part& part : parts) part.is_match = !part.is_match;
    apply(pattern.behavior, parts);
    for (const Part& part : parts)
        if (part.end > part.begin) pieces.push_back(part);
}

SplitPatterns::SplitPatterns() = default;
SplitPatterns::SplitPatterns(SplitPatterns&&) noexcept = default;
SplitPatterns& SplitPatterns::operator=(SplitPatterns&&) noexcept = default;
SplitPatterns::~SplitPatterns() = default;

void SplitPatterns::add(const SplitPattern& pattern, const std::string& source) {
    auto step = std::make_unique<Step>();
    step->regex.emplace(pattern.regex, source + ": pre_tokenizer");
    step->pattern = pattern;
    steps_.push_back(std::move(step));
}

void SplitPatterns::add_rewrite(Rewrite rewrite) {
    auto step = std::make_unique<Step>();
    step->rewrite = std::move(rewrite);
    steps_.push_back(std::move(step));
}

void SplitPatterns::add_space() {
    add_rewrite([](std::string_view piece, bool, std::string& out) {
        if (!piece.starts_with(' ')) out += ' ';
        out.append(piece);
    });
}

void SplitPatterns::add_marks(std::string mark, Prepends prepends) {
    add_rewrite([mark = std::move(mark), prepends](std::string_view piece, bool is_first,
                                                   std::string& out) {
        const bool begins = piece.starts_with(' ') || piece.starts_with(mark);
        if (!begins && (prepends == Prepends::always || (prepends == Prepends::first && is_first)))
            out.append(mark);
        for (size_t at = 0; at < piece.size();) {
            const size_t space = std::min(piece.find(' ', at), piece.size());
            out.append(piece.substr(at, space - at));
            if (space < piece.size()) out.append(mark);
            at = space + 1;
        }
    });
}

void SplitPatterns::add_words(const std::vector<std::string>& words) {
    std::vector<AddedToken> tokens(words.size());
    for (size_t i = 0; i < words.size(); i++) tokens[i].content = words[i];
    auto step = std::make_unique<Step>();
    step->words.emplace(std::move(tokens));
    steps_.push_back(std::move(step));
}

void SplitPatterns::add_scripts() {
    steps_.push_back(std::make_unique<Step>());
}

void SplitPatterns::add_byte_alphabet() {
    add_rewrite(
        [](std::string_view piece, bool, std::string& out) { append_alphabet(piece, out); });
}

std::vector<TextPiece> SplitPatterns::split(std::string_view& text, std::string& storage,
                                            bool is_start) const {
    std::vector<TextPiece> pieces = encoded_runs(text);
    for (const auto& step : steps_) {
        if (step->rewrite) {
            std::string out = rewritten(text, is_start, pieces, step->rewrite);
            storage = std::move(out);  // which `text` may be a view of until here
            text = storage;
            continue;
        }
        std::vector<TextPiece> next;
        for (const TextPiece piece : pieces) step->split(text, piece, next);
        pieces = std::move(next);
    }
    return pieces;
}

}  // namespace qwend
