#pragma once

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <string_view>

/// Pieces of checkpoint folders for the tests, good ones to be spoilt.

inline const std::string kConfig =
    R"({"architectures":["Qwen2ForCausalLM"],"vocab_size":100,"hidden_size":64,)"
    R"("intermediate_size":128,"num_hidden_layers":1,"num_attention_heads":4,)"
    R"("num_key_value_heads":2,"max_position_embeddings":512,"rms_norm_eps":1e-6,)"
    R"("rope_theta":1000000.0,"eos_token_id":[7,9]})";

inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
    const size_t at = text.find(from);
    if (at == std::string::npos) throw std::logic_error("nothing to replace");
    return text.replace(at, from.size(), to);
}

/// A safetensors file: the header's length, the header, the data.
inline std::string file_of(const std::string& header, const std::string& data) {
    std::string file(8, '\0');
    for (int i = 0; i < 8; i++) file[size_t(i)] = char(header.size() >> (8 * i));
    return file + header + data;
}

#define CHECK_SAYS(message, part) CHECK_MESSAGE((message).find(part) != std::string::npos, message)
