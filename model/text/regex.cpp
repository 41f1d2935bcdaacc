#include "model/text/regex.h"

#include <fmt/core.h>
#include <oniguruma.h>

#include <algorithm>
#include <cctype>

#include "model/error.h"
#include "model/utf8.h"

namespace qwend {

namespace {

const OnigUChar* bytes_of(std::string_view text, size_t at = 0) {
    return reinterpret_cast<const OnigUChar*>(text.data()) + at;
}

/// The library's own state is made once, before any thread needs it.
void initialize() {
    static const bool done = [] {
        OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
        return onig_initialize(encodings, 1) == ONIG_NORMAL;
    }();
    if (!done) throw LoadError("Oniguruma cannot be initialised");
}

/// What a search fills, and what bounds it.
struct Search {
    OnigRegion* region = onig_region_new();
    OnigMatchParam* bounds = onig_new_match_param();

    Search() { onig_initialize_match_param(bounds); }
    Search(const Search&) = delete;
    ~Search() {
        onig_free_match_param(bounds);
        onig_region_free(region, 1);
    }

    /// Where the next match begins, from `from` on; below 0: ONIG_MISMATCH, or too many steps.
    int run(regex_t* regex, std::string_view text, size_t from, unsigned long most_steps) {
        onig_set_retry_limit_in_match_of_match_param(bounds, most_steps);
        onig_set_retry_limit_in_search_of_match_param(bounds, most_steps);
        return onig_search_with_param(regex, bytes_of(text), bytes_of(text, text.size()),
                                      bytes_of(text, from), bytes_of(text, text.size()), region,
                                      ONIG_OPTION_NONE, bounds);
    }
};

// Steps of backtracking. The library counts them, but does not say how many it took: a search may
// take the first number of them for nothing, which is enough for nearly all, and what takes more
// is begun again with a multiple, as often as what the text as a whole may take allows.
constexpr unsigned long kFreeSteps = 4096, kMoreSteps = 16;
constexpr unsigned long kStepsPerText = 2'000'000, kStepsPerByte = 256;

}  // namespace

struct Regex::Compiled {
    regex_t* regex = nullptr;

    Compiled() = default;
    Compiled(const Compiled&) = delete;
    ~Compiled() { onig_free(regex); }
};

Regex::Regex(const std::string& pattern, const std::string& source)
    : compiled_(std::make_unique<Compiled>()) {
    initialize();
    OnigErrorInfo info;
    const int rc = onig_new(&compiled_->regex, bytes_of(pattern), bytes_of(pattern, pattern.size()),
                            ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_DEFAULT, &info);
    if (rc == ONIG_NORMAL) return;
    OnigUChar why[ONIG_MAX_ERROR_MESSAGE_LEN];
    const int n = onig_error_code_to_str(why, rc, &info);
    throw LoadError(fmt::format("{}: \"{}\" is no regex: {}", source, pattern,
                                std::string_view(reinterpret_cast<char*>(why), size_t(n))));
}

Regex::~Regex() = default;

void Regex::find_all(std::string_view text,
                     const std::function<void(size_t, size_t)>& found) const {
    if (!is_utf8(text)) return;         // the library would read beyond its end
    static thread_local Search search;  // pieces are many, and most are short
    regex_t* const regex = compiled_->regex;
    unsigned long budget = kStepsPerText + kStepsPerByte * text.size();
    size_t last_end = std::string_view::npos;  // of a match
    for (size_t from = 0;;) {
        unsigned long steps = kFreeSteps;
        int at = search.run(regex, text, from, steps);
        while (at < 0 && at != ONIG_MISMATCH) {
            steps *= kMoreSteps;
            if (steps > budget) return;
            budget -= steps;
            at = search.run(regex, text, from, steps);
        }
        if (at < 0) return;
        const auto begin = size_t(search.region->beg[0]), end = size_t(search.region->end[0]);
        if (end > begin || end != last_end) found(begin, end);
        last_end = end;
        if (end == text.size() && end == begin) return;
        from = end > begin ? end : end + size_t(utf8_at(text, end).length);
    }
}

void Regex::replace_all(std::string& text, std::string_view content) const {
    std::string out;
    size_t copied = 0;
    find_all(text, [&](size_t begin, size_t end) {
        out.append(text, copied, begin - copied).append(content);
        copied = end;
    });
    text = out.append(text, copied);
}

std::string quote_regex(std::string_view literal) {
    std::string regex;
    for (const char c : literal) {
        if (std::ispunct(uint8_t(c))) regex += '\\';
        regex += c;
    }
    return regex;
}

}  // namespace qwend
