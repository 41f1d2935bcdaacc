#pragma once

#include <doctest/doctest.h>

#include <string>

#include "model/file.h"

inline const std::string& demo_tokenizer_json() {
    static const std::string json = qwend::read_file("tests/demo-model/tokenizer.json");
    return json;
}

/// The demo's tokenizer.json with the value of one field of its first level replaced.
inline std::string demo_tokenizer_with(const std::string& field, const std::string& value) {
    std::string json = demo_tokenizer_json();
    const size_t at = json.find("\"" + field + "\": {");
    REQUIRE(at != std::string::npos);
    const size_t open = json.find('{', at);
    size_t end = open;
    for (int depth = 0; end == open || depth > 0; end++)
        depth += json[end] == '{' ? 1 : json[end] == '}' ? -1 : 0;
    return json.replace(open, end - open, value);
}
