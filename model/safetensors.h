#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/tensor.h"

namespace qwend {

/// A tensor as the header of its file describes it: where its bytes lie, not the bytes.
struct StoredTensor {
    DType dtype = DType::other;
    std::string dtype_name;      // as the header spells it
    std::vector<int64_t> shape;  // row-major
    uint64_t offset = 0;         // bytes from the start of the file
    size_t n_bytes = 0;
    size_t file = 0;  // index in its SafetensorsFiles
};

using StoredTensors = std::unordered_map<std::string, StoredTensor>;

/// The open weight files of one checkpoint folder: model.safetensors, else the shards that
/// model.safetensors.index.json names, in the order in which transformers looks. Headers are
/// hostile until checked: sizes, overlaps, holes, overflow and truncation are verified before any
/// tensor is described. Nothing is mapped: what happens to a file later cannot become a signal, and
/// what is read is a copy that it cannot change.
/// Source: https://github.com/huggingface/safetensors (format description).
class SafetensorsFiles {
  public:
    /// Throws LoadError (git-lfs pointers are recognised and named).
    static SafetensorsFiles open(const std::filesystem::path& dir);

    SafetensorsFiles(SafetensorsFiles&&) noexcept = default;
    SafetensorsFiles& operator=(SafetensorsFiles&&) noexcept = default;

    const StoredTensor* find(std::string_view name) const;  // nullptr if absent
    const StoredTensors& tensors() const { return tensors_; }
    size_t total_bytes() const;  // of all tensors

    /// Copies `n_bytes` of the tensor, from byte `begin` on, to `out`. Any thread. Throws
    /// LoadError: the file ends early, since somebody truncated it, or the system's reason.
    void read(const StoredTensor& tensor, size_t begin, size_t n_bytes, void* out) const;

    /// For the end of loading. Throws LoadError if a file was written to since it was opened: what
    /// was read may be a mixture of two checkpoints.
    void check_unchanged() const;

  private:
    /// An open file descriptor.
    class File {
      public:
        explicit File(std::filesystem::path path);
        File(File&& other) noexcept;
        File& operator=(File&&) = delete;
        ~File();
        std::string name() const { return path_.string(); }
        size_t n_bytes() const { return n_bytes_; }
        void read(uint64_t offset, size_t n_bytes, void* out) const;
        void check_unchanged() const;

      private:
        std::filesystem::path path_;
        int fd_ = -1;
        size_t n_bytes_ = 0;       // when it was opened
        int64_t modified_ns_ = 0;  // the same
    };

    SafetensorsFiles() = default;
    static StoredTensors read_header(const File& file);

    std::vector<File> files_;
    StoredTensors tensors_;
};

/// Parses the header of one file: `head` are its first bytes, at least the 8-byte length and the
/// JSON; `n_file` is the size of all of it. Exposed for the tests and the fuzzer. Throws LoadError
/// naming `file_name`.
StoredTensors parse_safetensors(std::string_view head, uint64_t n_file,
                                const std::string& file_name);

}  // namespace qwend
