#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "model/quantized/scheme.h"
#include "model/weights.h"

namespace qwend {

/// Finds the tensors of linear layers in a folder whose configuration says that they are quantised,
/// and holds them against it.
class QuantizedFinder {
  public:
    /// All have to outlive it.
    QuantizedFinder(const TensorFiles& files, const std::filesystem::path& dir,
                    const QuantScheme& scheme)
        : files_(files), dir_(dir), scheme_(scheme) {}

    /// Whether the files have the layer's codes.
    bool is_quantized(const std::string& module) const;

    /// The layer with n outputs and k inputs; empty if the configuration leaves it alone, and the
    /// files do. A bias is there if it `must` be, or if the files have one that is not all zeros,
    /// as some tools write it. Throws LoadError with tensor, Expected and Actual.
    std::optional<StoredLinear> find(const std::string& module, int n, int k, bool must) const;

  private:
    StoredTensor get(const std::string& name, const std::vector<int64_t>& shape,
                     std::string_view dtype) const;
    std::string find_scale_name(const std::string& module) const;
    StoredTensor get_scales(const std::string& module, const StoredLinear& linear) const;
    std::optional<StoredTensor> get_zeros(const std::string& module,
                                          const StoredLinear& linear) const;
    std::optional<StoredTensor> find_bias(const std::string& name, int n, bool must) const;
    std::string codes_name(const std::string& module) const;
    std::vector<int64_t> codes_shape(int n, int k) const;
    void check_sizes(const std::string& module, int n, int k) const;
    void check_order(const std::string& name, int k, int group) const;
    void check_shape_tensor(const std::string& name, int n, int k) const;
    template <typename T>
    std::vector<T> read(const StoredTensor& tensor) const;
    [[noreturn]] void fail(const std::string& name, std::string_view what) const;

    const TensorFiles& files_;
    const std::filesystem::path& dir_;
    const QuantScheme& scheme_;
};

}  // namespace qwend
