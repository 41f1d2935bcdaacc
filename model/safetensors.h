#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "model/tensor_files.h"

namespace qwend {

/// The open weight files of one checkpoint folder: model.safetensors, else the shards that
/// model.safetensors.index.json names, in the order in which transformers looks. Headers are
/// hostile until checked: sizes, overlaps, holes, overflow and truncation are verified before any
/// tensor is described. Throws LoadError (git-lfs pointers are recognised and named).
/// Source: https://github.com/huggingface/safetensors (format description).
TensorFiles open_safetensors(const std::filesystem::path& dir);

/// Parses the header of one file: `head` are its first bytes, at least the 8-byte length and the
/// JSON; `n_file` is the size of all of it. Exposed for the tests and the fuzzer. Throws LoadError
/// naming `file_name`.
StoredTensors parse_safetensors(std::string_view head, uint64_t n_file,
                                const std::string& file_name);

}  // namespace qwend
