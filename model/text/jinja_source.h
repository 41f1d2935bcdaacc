#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// A piece of a Jinja template's source: a string literal, decoded, or what stands between two.
struct JinjaPiece {
    bool is_literal = false;
    std::string text;
};

/// Takes a template apart, so that two copies that mean the same read the same: newlines are \n,
/// literals are what they say, however they are quoted and escaped, and white space within {{ }}
/// and
/// {% %}, which means nothing, is one space, or none at their borders. Text that is printed as it
/// stands is kept as it stands. Source: Jinja 3's lexer.
std::vector<JinjaPiece> split_jinja_source(std::string_view source);

}  // namespace qwend
