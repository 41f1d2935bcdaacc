#include "model/quantized/module_names.h"

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace qwend {

namespace {

constexpr size_t kLongestPattern = 256;  // characters; a longer one is not read

/// Whether `part` is a run of whole components of the path.
bool has_components(std::string_view path, std::string_view part) {
    for (size_t at = path.find(part); at != path.npos; at = path.find(part, at + 1)) {
        const size_t end = at + part.size();
        if ((at == 0 || path[at - 1] == '.') && (end == path.size() || path[end] == '.'))
            return true;
    }
    return false;
}

}  // namespace

void ModuleNames::add(std::string_view entry) {
    if (entry.starts_with("re:"))
        patterns_.push_back(parse(entry.substr(3)));
    else if (const size_t begin = entry.find_first_not_of('.'); begin != entry.npos)
        names_.emplace_back(entry.substr(begin, entry.find_last_not_of('.') + 1 - begin));
}

ModuleNames::Pattern ModuleNames::parse(std::string_view text) {
    Pattern pattern;
    pattern.readable = text.size() <= kLongestPattern;
    for (size_t i = 0; i < text.size() && pattern.readable; i++) {
        const char c = text[i];
        const std::string_view rest = text.substr(i);
        if (c == '^' && i == 0) continue;
        if (c == '$' && i + 1 == text.size()) {
            pattern.to_end = true;
        } else if (c == '*' || c == '+') {
            if (pattern.items.empty() || pattern.items.back().repeats) {
                pattern.readable = false;
            } else {
                pattern.items.back().repeats = true;
                pattern.items.back().optional = c == '*';
            }
        } else if (c == '.') {
            pattern.items.push_back({Pattern::Item::any, 0, false, false});
        } else if (rest.starts_with("\\d") || rest.starts_with("[0-9]")) {
            pattern.items.push_back({Pattern::Item::digit, 0, false, false});
            i += c == '[' ? 4 : 1;
        } else if (c == '\\' && i + 1 < text.size() && !std::isalnum(uint8_t(text[i + 1]))) {
            pattern.items.push_back({Pattern::Item::literal, text[++i], false, false});
        } else if (std::string_view("\\[](){}|?^$").find(c) != std::string_view::npos) {
            pattern.readable = false;
        } else {
            pattern.items.push_back({Pattern::Item::literal, c, false, false});
        }
    }
    return pattern;
}

/// All the places in the pattern that the text so far may have led to, at once.
bool ModuleNames::matches(const Pattern& pattern, std::string_view text) {
    const size_t n = pattern.items.size();
    std::vector<char> at(n + 1), next(n + 1);
    auto skip_optional = [&](std::vector<char>& places) {
        for (size_t i = 0; i < n; i++)
            if (places[i] && pattern.items[i].optional) places[i + 1] = true;
    };
    at[0] = true;
    skip_optional(at);
    for (char c : text) {
        if (at[n] && !pattern.to_end) return true;
        std::fill(next.begin(), next.end(), false);
        for (size_t i = 0; i < n; i++) {
            const Pattern::Item& item = pattern.items[i];
            const bool fits = item.what == Pattern::Item::any ||
                              (item.what == Pattern::Item::digit && c >= '0' && c <= '9') ||
                              (item.what == Pattern::Item::literal && c == item.character);
            if (!at[i] || !fits) continue;
            next[i + 1] = true;
            if (item.repeats) next[i] = true;
        }
        // What repeats may go on, and what has been seen once need not be seen again.
        skip_optional(next);
        at.swap(next);
    }
    return at[n];
}

Named ModuleNames::find(std::string_view module) const {
    Named found = Named::no;
    for (const std::string& name : names_) {
        if (has_components(module, name)) return Named::yes;
        if (module.find(name) != module.npos) found = Named::maybe;
    }
    for (const Pattern& pattern : patterns_) {
        if (!pattern.readable)
            found = Named::maybe;
        else if (matches(pattern, module))
            return Named::yes;
    }
    return found;
}

}  // namespace qwend
