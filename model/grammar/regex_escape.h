#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/grammar/code_points.h"

namespace qwend::grammar {

/// A pattern and how far it was read, in bytes.
struct PatternReader {
    std::string_view text;
    size_t at = 0;

    bool done() const { return at >= text.size(); }
    /// The byte there, 0 behind the end.
    char peek(size_t ahead = 0) const { return at + ahead < text.size() ? text[at + ahead] : '\0'; }
    bool looking_at(std::string_view what) const { return text.substr(at).starts_with(what); }
    /// Goes past it if it is there.
    bool take(std::string_view what);
    /// One character; the text is UTF-8 and not done.
    uint32_t take_code_point();
    /// As many of `digits` hexadecimal ones as that say; throws GrammarError if there are fewer.
    uint32_t take_hex(size_t digits, size_t begin);
    /// Throws GrammarError: what is wrong with what begins at that byte.
    [[noreturn]] void fail(size_t offset, std::string_view what) const;
    /// The text from there to where the reader is, as a message may repeat it.
    std::string since(size_t begin) const;
};

/// What a backslash and what follows it stand for.
struct RegexEscape {
    enum class Kind { code_point, set, text_begin, text_end };

    Kind kind = Kind::code_point;
    uint32_t code_point = 0;  // surrogates too: half a pair is a pattern that fits nothing
    const CodePointSet* set = nullptr;  // lives as long as the process
};

/// Reads an escape from its backslash on; throws GrammarError for what has no meaning there or is
/// not supported. `ignore_case` concerns \w and \W alone: ECMA-262 gives them more members then.
RegexEscape read_escape(PatternReader& reader, bool in_class, bool ignore_case);

}  // namespace qwend::grammar
