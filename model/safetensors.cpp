#include "model/safetensors.h"

#include <fmt/core.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <utility>

#include "model/error.h"
#include "model/json.h"

namespace qwend {

namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's own limit
constexpr size_t kLengthBytes = 8;
constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kSingleName = "model.safetensors";

/// Every element type of the format, 0.8 of the reference implementation, with its bits.
struct ElementType {
    std::string_view name;
    uint64_t n_bits;
};
constexpr std::array kElementTypes = {
    ElementType{"BOOL", 8},        ElementType{"F4", 4},          ElementType{"F6_E2M3", 6},
    ElementType{"F6_E3M2", 6},     ElementType{"U8", 8},          ElementType{"I8", 8},
    ElementType{"F8_E5M2", 8},     ElementType{"F8_E4M3", 8},     ElementType{"F8_E8M0", 8},
    ElementType{"F8_E4M3FNUZ", 8}, ElementType{"F8_E5M2FNUZ", 8}, ElementType{"I16", 16},
    ElementType{"U16", 16},        ElementType{"F16", 16},        ElementType{"BF16", 16},
    ElementType{"I32", 32},        ElementType{"U32", 32},        ElementType{"F32", 32},
    ElementType{"C64", 64},        ElementType{"F64", 64},        ElementType{"I64", 64},
    ElementType{"U64", 64}};

struct NamedRange {
    uint64_t begin, end;  // bytes in the data section
    std::string_view name;
};

[[noreturn]] void fail(const std::string& file_name, std::string_view what) {
    throw LoadError(fmt::format("{}: {}", file_name, what));
}

DType find_dtype(std::string_view name) {
    for (DType dtype : {DType::bf16, DType::f16, DType::f32})
        if (name == dtype_name(dtype)) return dtype;
    return DType::other;
}

/// Fails unless the shape makes `n_bytes` of the element type. Of a type that is newer than this
/// program the bytes are taken as they are: whether it is needed is seen later.
void check_size(const StoredTensor& tensor, std::string_view name, uint64_t n_bytes,
                const std::string& file) {
    auto type = std::find_if(kElementTypes.begin(), kElementTypes.end(),
                             [&](auto& t) { return t.name == tensor.dtype_name; });
    uint64_t n_bits = type == kElementTypes.end() ? 0 : type->n_bits;
    for (int64_t dim : tensor.shape)
        if (dim < 0 || __builtin_mul_overflow(n_bits, uint64_t(dim), &n_bits))
            fail(file, fmt::format("tensor {}: impossible shape", name));
    if (type == kElementTypes.end()) return;
    if (n_bits % 8 != 0 || n_bits / 8 != n_bytes)
        fail(file, fmt::format("tensor {}: expected {} bytes for its shape, found {}", name,
                               (n_bits + 7) / 8, n_bytes));
}

/// Of a file with `n_data` bytes behind the header, which begin at `data_offset`.
StoredTensor parse_entry(simdjson::dom::object entry, std::string_view name, uint64_t data_offset,
                         uint64_t n_data, const std::string& file, NamedRange& range) {
    StoredTensor tensor;
    std::string_view dtype;
    simdjson::dom::array shape, offsets;
    if (entry.at_key("dtype").get(dtype) || entry.at_key("shape").get(shape) ||
        entry.at_key("data_offsets").get(offsets))
        fail(file, fmt::format("tensor {}: expected dtype, shape and data_offsets", name));
    tensor.dtype = find_dtype(dtype);
    tensor.dtype_name = dtype;
    for (auto dim : shape) {
        int64_t value = -1;
        (void)!dim.get(value);
        tensor.shape.push_back(value);
    }
    uint64_t begin = 0, end = 0;
    if (offsets.size() != 2 || offsets.at(0).get(begin) || offsets.at(1).get(end) || begin > end)
        fail(file, fmt::format("tensor {}: bad data_offsets", name));
    if (end > n_data)
        fail(file, fmt::format("tensor {}: ends at byte {} of the data, but the file has only {}: "
                               "truncated? Download it again",
                               name, end, n_data));
    check_size(tensor, name, end - begin, file);
    tensor.offset = data_offset + begin;
    tensor.n_bytes = end - begin;
    range = {begin, end, name};
    return tensor;
}

/// The data section is covered exactly once: no tensor overlaps another, no byte is unaccounted.
void check_ranges(std::vector<NamedRange> ranges, size_t n_data, const std::string& file) {
    std::sort(ranges.begin(), ranges.end(), [](auto& a, auto& b) {
        return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    uint64_t at = 0;
    for (auto& range : ranges) {
        if (range.begin < at) fail(file, fmt::format("tensor {} overlaps another", range.name));
        if (range.begin > at)
            fail(file,
                 fmt::format("a hole of {} bytes before tensor {}", range.begin - at, range.name));
        at = range.end;
    }
    if (at != n_data) fail(file, fmt::format("expected {} bytes of data, found {}", at, n_data));
}

/// Which file the index names for each tensor, checked to be plain file names.
std::map<std::string, std::string, std::less<>> read_weight_map(
    const std::filesystem::path& index_path) {
    JsonFile index(index_path);
    simdjson::dom::object map;
    if (index.root().at_key("weight_map").get(map) != simdjson::SUCCESS)
        index.fail("expected an object \"weight_map\"");
    std::map<std::string, std::string, std::less<>> file_of;
    for (auto [tensor, value] : map) {
        std::string_view name;
        if (value.get(name) != simdjson::SUCCESS || name.empty() || name.starts_with('.') ||
            name.find('/') != std::string_view::npos || name.find('\0') != std::string_view::npos)
            index.fail(
                fmt::format("\"weight_map\": tensor {}: expected a plain file name", tensor));
        file_of.insert_or_assign(std::string(tensor), std::string(name));
    }
    if (file_of.empty()) index.fail("\"weight_map\" names no file");
    return file_of;
}

/// The length that a file begins with, checked against the size of the file.
uint64_t header_bytes(std::string_view head, uint64_t n_file, const std::string& file_name) {
    refuse_lfs_pointer(head.substr(0, 256), file_name);
    if (head.size() < kLengthBytes)
        fail(file_name, fmt::format("{} bytes: too short for safetensors", n_file));
    uint64_t n_header = 0;
    for (int i = 7; i >= 0; i--) n_header = n_header << 8 | uint8_t(head[size_t(i)]);
    if (n_header > kMaxHeaderBytes || n_header > n_file - kLengthBytes)
        fail(file_name,
             fmt::format("not safetensors: header of {} bytes in a file of {}", n_header, n_file));
    return n_header;
}

[[noreturn]] void fail_no_weights(const std::filesystem::path& dir) {
    std::string hint;
    std::error_code ignored;
    for (auto& entry : std::filesystem::directory_iterator(dir, ignored)) {
        const auto name = entry.path().filename().string();
        const auto extension = entry.path().extension();
        if (name == "adapter_model.safetensors" || name == "adapter_config.json")
            hint =
                "; this is an adapter (LoRA): merge it into its base model and save that, as "
                "peft's merge_and_unload does";
        else if (hint.empty() && extension == ".safetensors")
            hint = fmt::format("; found {} without an index: is the download complete?", name);
        else if (hint.empty() && extension == ".gguf")
            hint = fmt::format("; found {}: give --model that file", name);
        else if (hint.empty() && (extension == ".bin" || extension == ".pt" || extension == ".pth"))
            hint = fmt::format("; found {}, which qwend does not read", name);
    }
    throw LoadError(
        fmt::format("{}: expected {} or {}{}", dir.string(), kSingleName, kIndexName, hint));
}

}  // namespace

StoredTensors parse_safetensors(std::string_view head, uint64_t n_file,
                                const std::string& file_name) {
    const uint64_t n_header = header_bytes(head, n_file, file_name);
    JsonFile header(head.substr(kLengthBytes, n_header), file_name);
    const uint64_t data_offset = kLengthBytes + n_header, n_data = n_file - data_offset;
    StoredTensors tensors;
    std::vector<NamedRange> ranges;
    for (auto [name, value] : header.root()) {
        if (name == "__metadata__") continue;
        simdjson::dom::object entry;
        if (value.get(entry) != simdjson::SUCCESS)
            fail(file_name, fmt::format("tensor {}: expected an object", name));
        NamedRange range{};
        StoredTensor tensor = parse_entry(entry, name, data_offset, n_data, file_name, range);
        if (!tensors.emplace(name, std::move(tensor)).second)
            fail(file_name, fmt::format("tensor {} appears twice", name));
        ranges.push_back(range);
    }
    check_ranges(std::move(ranges), n_data, file_name);
    return tensors;
}

namespace {

StoredTensors read_header(const OpenFile& file) {
    std::string head(std::min(file.n_bytes(), kLengthBytes), '\0');
    file.read(0, head.size(), head.data());
    if (head.starts_with("version ")) {  // as a git-lfs pointer does
        head.resize(std::min<size_t>(file.n_bytes(), 256));
        file.read(0, head.size(), head.data());
        refuse_lfs_pointer(head, file.name());
    }
    const size_t n_header = header_bytes(head, file.n_bytes(), file.name());
    head.resize(kLengthBytes + n_header);
    file.read(kLengthBytes, n_header, head.data() + kLengthBytes);
    return parse_safetensors(head, file.n_bytes(), file.name());
}

}  // namespace

TensorFiles open_safetensors(const std::filesystem::path& dir) {
    std::vector<OpenFile> files;
    if (file_exists(dir / kSingleName)) {
        files.emplace_back(dir / kSingleName);
        StoredTensors tensors = read_header(files[0]);
        return {std::move(files), std::move(tensors)};
    }
    if (!file_exists(dir / kIndexName)) fail_no_weights(dir);
    const auto file_of = read_weight_map(dir / kIndexName);
    std::map<std::string, size_t> index_of;  // of the shards, by name
    for (auto& [tensor, name] : file_of) index_of.emplace(name, 0);
    StoredTensors tensors;
    for (auto& [name, index] : index_of) {
        index = files.size();
        files.emplace_back(dir / name);
        for (auto& [tensor, stored] : read_header(files.back())) {
            // Some tools write a tensor to several shards; the index says which one counts.
            auto found = file_of.find(tensor);
            const bool is_named = found != file_of.end() && found->second == name;
            auto [place, is_new] = tensors.try_emplace(tensor);
            if (!is_new && !is_named) continue;
            place->second = std::move(stored);
            place->second.file = index;
        }
    }
    return {std::move(files), std::move(tensors)};
}

}  // namespace qwend
