#pragma once

#include <filesystem>
#include <string>

#include "model/gguf/header.h"
#include "model/tensor_files.h"

namespace qwend {

/// The file of a model that is given as GGUF: the path itself if it is a file, or the only model in
/// a folder that has nothing else; of one in several files the first. Empty if it is a checkpoint
/// folder, or nothing. Throws LoadError: a folder of several models, a file of a model in several
/// that is not the first.
std::filesystem::path find_gguf(const std::filesystem::path& model);

/// What the file's name says: that of the model, without its ending and a number among several.
std::string gguf_model_name(const std::filesystem::path& file);

/// What a file, the first of a model's, says of the model. Throws LoadError as GgufHeader::parse()
/// does, and for a file that cannot be read.
GgufHeader read_gguf_header(const std::filesystem::path& file);

/// A model's files, open: what the first says, and the tensors of all.
struct GgufModel {
    GgufHeader header;
    TensorFiles files;
};

/// The tensors are those of all files (NAME-00001-of-00003.gguf and those that follow it), by the
/// names that Hugging Face's checkpoints have for them. Throws LoadError as read_gguf_header()
/// does: a file is missing or of another model, or a tensor is none of a Qwen2's.
GgufModel open_gguf(const std::filesystem::path& file);

}  // namespace qwend
