#include "model/safetensors.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <simdjson.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "model/error.h"
#include "model/json.h"

namespace qwend {

namespace {

constexpr uint64_t kMaxHeaderBytes = 100u << 20;  // the reference implementation's own limit
constexpr size_t kMaxRank = 8;

using Tensors = std::unordered_map<std::string, TensorView>;

struct NamedRange {
    uint64_t begin, end;  // bytes in the data section
    std::string_view name;
};

[[noreturn]] void fail(const std::string& file_name, std::string_view what) {
    throw LoadError(fmt::format("{}: {}", file_name, what));
}

DType parse_dtype(std::string_view name, std::string_view tensor, const std::string& file_name) {
    for (DType dtype : {DType::bf16, DType::f16, DType::f32})
        if (name == dtype_name(dtype)) return dtype;
    fail(file_name, fmt::format("tensor {}: expected BF16, F16 or F32, found {}", tensor, name));
}

/// Number of bytes the shape implies; fails on a negative dimension or overflow.
uint64_t shape_bytes(const TensorView& view, std::string_view tensor, const std::string& file) {
    uint64_t n = dtype_size(view.dtype);
    for (int64_t dim : view.shape)
        if (dim < 0 || __builtin_mul_overflow(n, uint64_t(dim), &n))
            fail(file, fmt::format("tensor {}: impossible shape", tensor));
    return n;
}

TensorView parse_entry(simdjson::dom::object entry, std::string_view name, std::string_view data,
                       const std::string& file, NamedRange& range) {
    TensorView view;
    std::string_view dtype;
    simdjson::dom::array shape, offsets;
    if (entry.at_key("dtype").get(dtype) || entry.at_key("shape").get(shape) ||
        entry.at_key("data_offsets").get(offsets))
        fail(file, fmt::format("tensor {}: expected dtype, shape and data_offsets", name));
    view.dtype = parse_dtype(dtype, name, file);
    if (shape.size() > kMaxRank)
        fail(file, fmt::format("tensor {}: {} dimensions, expected at most {}", name, shape.size(),
                               kMaxRank));
    for (auto dim : shape) {
        int64_t value = -1;
        (void)!dim.get(value);
        view.shape.push_back(value);
    }
    uint64_t begin = 0, end = 0;
    if (offsets.size() != 2 || offsets.at(0).get(begin) || offsets.at(1).get(end) || begin > end)
        fail(file, fmt::format("tensor {}: bad data_offsets", name));
    if (end > data.size())
        fail(file, fmt::format("tensor {}: ends at byte {} of the data, but the file has only {}: "
                               "truncated? Download it again",
                               name, end, data.size()));
    uint64_t expected = shape_bytes(view, name, file);
    if (end - begin != expected)
        fail(file, fmt::format("tensor {}: expected {} bytes for its shape, found {}", name,
                               expected, end - begin));
    view.data = reinterpret_cast<const std::byte*>(data.data()) + begin;
    view.n_bytes = expected;
    range = {begin, end, name};
    return view;
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

/// The shard names model.safetensors.index.json lists, checked to be plain file names.
std::set<std::string> shard_names(const std::filesystem::path& index_path) {
    JsonFile index(index_path);
    simdjson::dom::object map;
    if (index.root().at_key("weight_map").get(map) != simdjson::SUCCESS)
        index.fail("expected an object \"weight_map\"");
    std::set<std::string> names;
    for (auto [tensor, value] : map) {
        std::string_view name;
        if (value.get(name) != simdjson::SUCCESS || name.empty() || name.starts_with('.') ||
            name.find('/') != std::string_view::npos || name.find('\0') != std::string_view::npos)
            index.fail(
                fmt::format("\"weight_map\": tensor {}: expected a plain file name", tensor));
        names.emplace(name);
    }
    if (names.empty()) index.fail("\"weight_map\" names no file");
    return names;
}

[[noreturn]] void fail_no_weights(const std::filesystem::path& dir) {
    std::string hint;
    std::error_code ignored;
    for (auto& entry : std::filesystem::directory_iterator(dir, ignored)) {
        auto extension = entry.path().extension();
        if (extension == ".bin" || extension == ".gguf" || extension == ".pt")
            hint = fmt::format("; found {}, which qwend does not read",
                               entry.path().filename().string());
    }
    throw LoadError(fmt::format("{}: expected model.safetensors or model.safetensors.index.json{}",
                                dir.string(), hint));
}

/// A file mapped read-only. Throws LoadError.
std::pair<void*, size_t> map_file(const std::filesystem::path& path) {
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        int error = fd < 0 ? errno : EINVAL;
        if (fd >= 0) ::close(fd);
        throw LoadError(fmt::format("cannot read {}: {}", path.string(), std::strerror(error)));
    }
    size_t n_bytes = size_t(status.st_size);
    void* address = n_bytes ? mmap(nullptr, n_bytes, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    int error = n_bytes ? errno : EINVAL;
    ::close(fd);
    if (address == MAP_FAILED)
        throw LoadError(fmt::format("cannot map {}: {}", path.string(),
                                    n_bytes ? std::strerror(error) : "the file is empty"));
    madvise(address, n_bytes, MADV_WILLNEED);
    return {address, n_bytes};
}

}  // namespace

size_t dtype_size(DType dtype) {
    return dtype == DType::f32 ? 4 : 2;
}

std::string_view dtype_name(DType dtype) {
    switch (dtype) {
        case DType::bf16:
            return "BF16";
        case DType::f16:
            return "F16";
        case DType::f32:
            return "F32";
    }
    return "?";
}

Tensors parse_safetensors(std::string_view file, const std::string& file_name) {
    refuse_lfs_pointer(file.substr(0, 256), file_name);
    uint64_t n_header = 0;
    if (file.size() < sizeof n_header)
        fail(file_name, fmt::format("{} bytes: too short for safetensors", file.size()));
    for (int i = 7; i >= 0; i--) n_header = n_header << 8 | uint8_t(file[i]);
    if (n_header > kMaxHeaderBytes || n_header > file.size() - sizeof n_header)
        fail(file_name, fmt::format("not safetensors: header of {} bytes in a file of {}", n_header,
                                    file.size()));
    JsonFile header(file.substr(sizeof n_header, n_header), file_name);
    std::string_view data = file.substr(sizeof n_header + n_header);

    Tensors tensors;
    std::vector<NamedRange> ranges;
    for (auto [name, value] : header.root()) {
        if (name == "__metadata__") continue;
        simdjson::dom::object entry;
        if (value.get(entry) != simdjson::SUCCESS)
            fail(file_name, fmt::format("tensor {}: expected an object", name));
        NamedRange range{};
        TensorView view = parse_entry(entry, name, data, file_name, range);
        if (!tensors.emplace(name, std::move(view)).second)
            fail(file_name, fmt::format("tensor {} appears twice", name));
        ranges.push_back(range);
    }
    check_ranges(std::move(ranges), data.size(), file_name);
    return tensors;
}

SafetensorsFiles SafetensorsFiles::open(const std::filesystem::path& dir) {
    std::set<std::string> names;
    if (std::filesystem::exists(dir / "model.safetensors.index.json"))
        names = shard_names(dir / "model.safetensors.index.json");
    else if (std::filesystem::exists(dir / "model.safetensors"))
        names = {"model.safetensors"};
    else
        fail_no_weights(dir);

    SafetensorsFiles files;
    for (const std::string& name : names) {
        auto [address, n_bytes] = map_file(dir / name);
        files.mappings_.push_back({address, n_bytes});
        Tensors shard =
            parse_safetensors({static_cast<const char*>(address), n_bytes}, (dir / name).string());
        for (auto& [tensor, view] : shard)
            if (!files.tensors_.emplace(tensor, std::move(view)).second)
                fail((dir / name).string(),
                     fmt::format("tensor {} is in another shard too", tensor));
    }
    return files;
}

SafetensorsFiles::SafetensorsFiles(SafetensorsFiles&& other) noexcept
    : mappings_(std::exchange(other.mappings_, {})), tensors_(std::move(other.tensors_)) {}

SafetensorsFiles& SafetensorsFiles::operator=(SafetensorsFiles&& other) noexcept {
    std::swap(mappings_, other.mappings_);
    std::swap(tensors_, other.tensors_);
    return *this;
}

SafetensorsFiles::~SafetensorsFiles() {
    for (auto& mapping : mappings_) munmap(mapping.address, mapping.n_bytes);
}

const TensorView* SafetensorsFiles::find(std::string_view name) const {
    auto found = tensors_.find(std::string(name));
    return found == tensors_.end() ? nullptr : &found->second;
}

size_t SafetensorsFiles::total_bytes() const {
    size_t total = 0;
    for (auto& [name, view] : tensors_) total += view.n_bytes;
    return total;
}

}  // namespace qwend
