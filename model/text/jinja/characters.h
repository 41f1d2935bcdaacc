#pragma once

#include <string>
#include <string_view>

#include "model/text/jinja/text.h"

namespace qwend::jinja {

// What Python's str knows of a character. Source: The Unicode Character Database.

bool is_space(char32_t c);      // str.isspace
bool is_printable(char32_t c);  // stands for itself in a repr
bool is_letter(char32_t c);
bool is_decimal(char32_t c);
bool is_digit(char32_t c);       // superscripts too, as far as str.isdigit takes them
bool is_name_start(char32_t c);  // of an identifier
bool is_name_part(char32_t c);
bool is_upper(char32_t c);
bool is_lower(char32_t c);
bool is_title(char32_t c);

enum class Case { upper, lower, title };
/// A text in another case, character by character: "ß" in upper case is "SS", where "Σ" ends a word
/// it is "ς" in lower case. Each keeps its origin.
Text change_case(Workspace& work, const Text& text, Case to);
/// The same of one part.
void add_changed(TextBuilder& out, const Text& text, size_t begin, size_t end, Case to);

/// The bytes that are left when white space, or all characters of `chars`, is taken from the ends.
struct Strip {
    bool left = true, right = true;
    const std::string_view* chars = nullptr;
};
Range strip(std::string_view text, const Strip& how);

/// Where the lines of a text lie, without and with what ends them, as str.splitlines sees it.
struct Line {
    size_t begin, end, next;
};
std::vector<Line> split_lines(std::string_view text);

}  // namespace qwend::jinja
