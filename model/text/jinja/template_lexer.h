#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qwend::jinja {

struct Token {
    enum Kind {
        data,            // text that is printed as it stands
        variable_begin,  // {{
        variable_end,
        block_begin,  // {%
        block_end,
        name,
        string,   // decoded
        integer,  // digits without underscores, with its base: 0x1f
        real,
        op,
        end,
    };
    Kind kind = end;
    int line = 0;
    std::string text;
};

/// Takes a template's source apart as Jinja 3 does with trim_blocks and lstrip_blocks, which is how
/// transformers sets it up. Comments and the white space that tags take away are gone. The last
/// token is `end`. Throws Failure. Source: Jinja 3's lexer.
std::vector<Token> tokenize(std::string_view source);

}  // namespace qwend::jinja
