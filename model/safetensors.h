#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace qwend {

enum class DType { bf16, f16, f32 };

size_t dtype_size(DType dtype);            // bytes
std::string_view dtype_name(DType dtype);  // "BF16", as the header spells it

/// A tensor inside a mapped file; valid as long as the SafetensorsFiles it came from.
struct TensorView {
    DType dtype = DType::bf16;
    std::vector<int64_t> shape;  // row-major
    const std::byte* data = nullptr;
    size_t n_bytes = 0;
};

/// The mapped weight files of one checkpoint folder: model.safetensors, or the shards that
/// model.safetensors.index.json names. Headers are hostile until checked: sizes, overlaps, holes,
/// overflow, dtypes and truncation are verified before any view exists.
/// Source: https://github.com/huggingface/safetensors (format description).
class SafetensorsFiles {
  public:
    /// Throws LoadError (git-lfs pointers are recognised and named).
    static SafetensorsFiles open(const std::filesystem::path& dir);

    SafetensorsFiles(SafetensorsFiles&&) noexcept;
    SafetensorsFiles& operator=(SafetensorsFiles&&) noexcept;
    ~SafetensorsFiles();

    const TensorView* find(std::string_view name) const;  // nullptr if absent
    const std::unordered_map<std::string, TensorView>& tensors() const { return tensors_; }
    size_t total_bytes() const;  // of all tensors

  private:
    SafetensorsFiles() = default;
    struct Mapping {
        void* address;
        size_t n_bytes;
    };
    std::vector<Mapping> mappings_;
    std::unordered_map<std::string, TensorView> tensors_;
};

/// Parses one safetensors header: `file` holds the whole file (8-byte length, JSON, data). Exposed
/// for the tests and the fuzzer. Throws LoadError naming `file_name`.
std::unordered_map<std::string, TensorView> parse_safetensors(std::string_view file,
                                                              const std::string& file_name);

}  // namespace qwend
