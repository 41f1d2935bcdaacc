#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "model/error.h"
#include "model/file.h"
#include "model/gguf/blocks.h"
#include "model/gguf/header.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint32_t kOldest = 2, kNewest = 3;     // versions
constexpr uint64_t kMaxHeaderBytes = 256 << 20;  // twenty times that of the largest vocabulary
constexpr uint64_t kMaxAlignment = 1 << 20;
constexpr int kMaxDimensions = 4, kMaxDepth = 4;  // of tensors, of arrays in arrays
constexpr int64_t kMaxDimension = int64_t(1) << 40;

/// The header goes on where what is known of it ends.
struct GoesOn {};

struct Range {
    uint64_t begin, end;  // bytes of the data
    std::string_view name;
};

}  // namespace

/// Reads a header from its first byte to its last.
class GgufParser {
  public:
    GgufParser(std::string head, uint64_t n_file, const std::string& file) : n_file_(n_file) {
        header_.file_ = file;
        header_.head_ = std::make_shared<const std::string>(std::move(head));
        rest_ = *header_.head_;
    }

    GgufHeader parse() {
        refuse_lfs_pointer(rest_.substr(0, 256), header_.file_);
        if (n_file_ < kMagic.size() || take(kMagic.size()) != kMagic)
            header_.fail(
                "expected a checkpoint folder or a GGUF file, found a file of another kind");
        const auto version = scalar<uint32_t>();
        if (version < kOldest || version > kNewest) refuse_version(version);
        const auto n_tensors = scalar<uint64_t>(), n_values = scalar<uint64_t>();
        for (uint64_t i = 0; i < n_values; i++) {
            const std::string_view key = string();
            if (!header_.values_.emplace(key, value(kMaxDepth)).second)
                header_.fail(fmt::format("the key {} appears twice", excerpt(key)));
        }
        const auto alignment =
            uint64_t(header_.integer("general.alignment", 1, int64_t(kMaxAlignment)).value_or(32));
        if (!std::has_single_bit(alignment))
            header_.fail(
                fmt::format("general.alignment: expected a power of two, found {}", alignment));
        for (uint64_t i = 0; i < n_tensors; i++) tensor(alignment);
        const uint64_t n_header = header_.head_->size() - rest_.size();
        place_tensors((n_header + alignment - 1) / alignment * alignment);
        return std::move(header_);
    }

  private:
    [[noreturn]] void refuse_version(uint32_t version) const {
        if (__builtin_bswap32(version) <= kNewest)
            header_.fail("expected GGUF of little endian, found one of big endian");
        header_.fail(
            fmt::format("expected GGUF of the versions {} and {}, found {}; convert the "
                        "model again",
                        kOldest, kNewest, version));
    }

    std::string_view take(uint64_t n) {
        const uint64_t at = header_.head_->size() - rest_.size();
        if (n > n_file_ - at)
            header_.fail(
                fmt::format("the header at byte {} goes on for {} bytes, but the file has "
                            "only {}: truncated? Download it again",
                            at, n, n_file_ - at));
        if (n > kMaxHeaderBytes - std::min(at, kMaxHeaderBytes))
            header_.fail(fmt::format("expected a header of at most {} MiB, found more",
                                     kMaxHeaderBytes >> 20));
        if (n > rest_.size()) throw GoesOn();
        const std::string_view taken = rest_.substr(0, size_t(n));
        rest_.remove_prefix(size_t(n));
        return taken;
    }
    template <typename T>
    T scalar() {
        T value;
        std::memcpy(&value, take(sizeof value).data(), sizeof value);
        return value;
    }
    std::string_view string() {
        const auto n = scalar<uint64_t>();
        return take(n);
    }
    GgufType type() {
        const auto number = scalar<uint32_t>();
        if (number > uint32_t(GgufType::f64))
            header_.fail(fmt::format("expected a type of value from 0 to 12, found {}", number));
        return GgufType(number);
    }

    GgufValue value(int depth) { return value_of(type(), depth); }
    GgufValue value_of(GgufType type, int depth) {
        if (type == GgufType::string) return {type, type, 1, string()};
        if (type == GgufType::array) return array(depth);
        return {type, type, 1, take(size_of(type))};
    }
    static uint64_t size_of(GgufType type) {
        static constexpr uint8_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
        return kSizes[size_t(type)];
    }
    GgufValue array(int depth) {
        if (depth == 0) header_.fail("expected no deeper arrays in arrays");
        const GgufType element = type();
        const auto n = scalar<uint64_t>();
        const std::string_view begin = rest_;
        uint64_t n_bytes = 0;
        if (element == GgufType::string || element == GgufType::array)
            for (uint64_t i = 0; i < n; i++) (void)value_of(element, depth - 1);
        else if (__builtin_mul_overflow(n, size_of(element), &n_bytes))
            header_.fail(fmt::format("expected an array within the file, found {} elements", n));
        take(n_bytes);
        return {GgufType::array, element, n, begin.substr(0, begin.size() - rest_.size())};
    }

    /// Offsets are of the data here, which begins behind the last tensor's description.
    void tensor(uint64_t alignment) {
        const std::string_view name = string();
        const auto fail = [&](std::string_view what) {
            header_.fail(fmt::format("tensor {}: {}", excerpt(name), what));
        };
        StoredTensor tensor;
        const auto n_dimensions = scalar<uint32_t>();
        if (n_dimensions < 1 || n_dimensions > uint32_t(kMaxDimensions))
            fail(
                fmt::format("expected 1 to {} dimensions, found {}", kMaxDimensions, n_dimensions));
        uint64_t n = 1;
        for (uint32_t i = 0; i < n_dimensions; i++) {
            const auto dimension = scalar<uint64_t>();
            if (dimension < 1 || dimension > uint64_t(kMaxDimension) ||
                __builtin_mul_overflow(n, dimension, &n))
                fail("impossible shape");
            tensor.shape.insert(tensor.shape.begin(), int64_t(dimension));  // the last is first
        }
        tensor.dtype_name = gguf_type_name(scalar<uint32_t>());
        tensor.offset = scalar<uint64_t>();
        if (tensor.offset % alignment != 0)
            fail(fmt::format("expected an offset that is a multiple of {}, found {}", alignment,
                             tensor.offset));
        set_size(name, n, tensor);
        const auto [place, is_new] = header_.tensors_.emplace(std::string(name), std::move(tensor));
        if (!is_new) fail("appears twice");
    }

    void set_size(std::string_view name, uint64_t n, StoredTensor& tensor) const {
        for (DType dtype : {DType::bf16, DType::f16, DType::f32})
            if (dtype_name(dtype) == tensor.dtype_name) tensor.dtype = dtype;
        tensor.blocks = find_block_format(tensor.dtype_name);
        if (tensor.dtype == DType::other && !tensor.blocks)
            header_.fail(
                fmt::format("tensor {}: {} is not served; expected F32, F16, BF16, {}: "
                            "take another file of the model's, Q4_K_M or Q8_0 for one",
                            excerpt(name), tensor.dtype_name, block_format_names()));
        if (tensor.blocks && tensor.shape.back() % tensor.blocks->n_weights != 0)
            header_.fail(fmt::format(
                "tensor {}: expected rows of {} that are a multiple of {} "
                "weights, found {}",
                excerpt(name), tensor.dtype_name, tensor.blocks->n_weights, tensor.shape.back()));
        uint64_t n_bytes = 0;
        if (tensor.blocks)
            n_bytes = tensor.blocks->bytes_of(n);
        else if (__builtin_mul_overflow(n, dtype_size(tensor.dtype), &n_bytes))
            n_bytes = UINT64_MAX;  // beyond any file's end
        tensor.n_bytes = n_bytes;
    }

    /// No tensor overlaps another or goes beyond the file. What is between them is padding.
    void place_tensors(uint64_t data) {
        std::vector<Range> ranges;
        const uint64_t n_data = n_file_ - std::min(data, n_file_);
        for (auto& [name, tensor] : header_.tensors_) {
            if (tensor.offset > n_data || tensor.n_bytes > n_data - tensor.offset)
                header_.fail(
                    fmt::format("tensor {}: ends beyond the {} bytes of data that the "
                                "file has: truncated? Download it again",
                                excerpt(name), n_data));
            ranges.push_back({tensor.offset, tensor.offset + tensor.n_bytes, name});
            tensor.offset += data;
        }
        std::ranges::sort(ranges, {}, [](const Range& r) { return std::pair(r.begin, r.end); });
        for (size_t i = 1; i < ranges.size(); i++)
            if (ranges[i].begin < ranges[i - 1].end)
                header_.fail(fmt::format("tensor {} overlaps another", excerpt(ranges[i].name)));
    }

    GgufHeader header_;
    uint64_t n_file_;
    std::string_view rest_;
};

std::optional<GgufHeader> GgufHeader::parse(std::string head, uint64_t n_file,
                                            const std::string& file) {
    try {
        return GgufParser(std::move(head), n_file, file).parse();
    } catch (const GoesOn&) {
        return std::nullopt;
    }
}

}  // namespace qwend
