#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/tensor.h"

namespace qwend {

struct BlockFormat;  // model/gguf/blocks.h

/// A tensor as the header of its file describes it: where its bytes lie, not the bytes.
struct StoredTensor {
    DType dtype = DType::other;
    std::string dtype_name;      // as the header spells it
    std::vector<int64_t> shape;  // row-major
    uint64_t offset = 0;         // bytes from the start of the file
    size_t n_bytes = 0;
    size_t file = 0;  // index in its TensorFiles
    // Of GGUF's quantised types: what the file has. The bytes are these blocks if dtype is `other`,
    // and numbers that are made of them where they are read if it is bf16.
    const BlockFormat* blocks = nullptr;

    StoredTensor as_numbers() const;
};

using StoredTensors = std::unordered_map<std::string, StoredTensor>;

/// A file that is open for reading. Nothing is mapped: what happens to a file later cannot become a
/// signal, and what is read is a copy that it cannot change.
class OpenFile {
  public:
    /// Throws LoadError with the system's reason.
    explicit OpenFile(std::filesystem::path path);
    OpenFile(OpenFile&& other) noexcept;
    OpenFile& operator=(OpenFile&&) = delete;
    ~OpenFile();

    std::string name() const { return path_.string(); }
    size_t n_bytes() const { return n_bytes_; }
    /// Any thread. Throws LoadError: the file ends early, since somebody truncated it, or the
    /// system's reason.
    void read(uint64_t offset, size_t n_bytes, void* out) const;
    /// Throws LoadError if the file was written to since it was opened.
    void check_unchanged() const;

  private:
    std::filesystem::path path_;
    int fd_ = -1;
    size_t n_bytes_ = 0;       // when it was opened
    int64_t modified_ns_ = 0;  // the same
};

/// The open weight files of one checkpoint and the tensors in them, whatever their format.
class TensorFiles {
  public:
    TensorFiles(std::vector<OpenFile> files, StoredTensors tensors)
        : files_(std::move(files)), tensors_(std::move(tensors)) {}

    const StoredTensor* find(std::string_view name) const;  // nullptr if absent
    const StoredTensors& tensors() const { return tensors_; }
    size_t total_bytes() const;  // of all tensors

    /// Copies `n_bytes` of the tensor, from byte `begin` on, to `out`. Any thread. Throws
    /// LoadError as OpenFile::read() does.
    void read(const StoredTensor& tensor, size_t begin, size_t n_bytes, void* out) const;

    /// For the end of loading. Throws LoadError if a file was written to since it was opened: what
    /// was read may be a mixture of two checkpoints.
    void check_unchanged() const;

  private:
    void read_numbers(const StoredTensor& tensor, size_t begin, size_t n_bytes,
                      std::byte* out) const;

    std::vector<OpenFile> files_;
    StoredTensors tensors_;
};

using SafetensorsFiles = TensorFiles;  // as gpu/ calls them

}  // namespace qwend
