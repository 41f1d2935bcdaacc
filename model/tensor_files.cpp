#include "model/tensor_files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "model/bf16.h"
#include "model/error.h"
#include "model/file.h"
#include "model/gguf/blocks.h"

namespace qwend {

namespace {

[[noreturn]] void fail(const std::string& file_name, std::string_view what) {
    throw LoadError(fmt::format("{}: {}", file_name, what));
}

int64_t modification_time(const struct stat& status) {
    return int64_t(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec;
}

}  // namespace

size_t dtype_size(DType dtype) {
    return dtype == DType::f32 ? 4 : dtype == DType::other ? 0 : 2;
}

std::string_view dtype_name(DType dtype) {
    switch (dtype) {
        case DType::bf16:
            return "BF16";
        case DType::f16:
            return "F16";
        case DType::f32:
            return "F32";
        case DType::other:
            break;
    }
    return "?";
}

OpenFile::OpenFile(std::filesystem::path path) : path_(std::move(path)) {
    fd_ = open_regular_file(path_);
    struct stat status {};
    if (fstat(fd_, &status) != 0) fail(name(), std::strerror(errno));
    n_bytes_ = size_t(status.st_size);
    modified_ns_ = modification_time(status);
    posix_fadvise(fd_, 0, 0, POSIX_FADV_WILLNEED);  // a hint; the disk starts while we parse
}

OpenFile::OpenFile(OpenFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      n_bytes_(other.n_bytes_),
      modified_ns_(other.modified_ns_) {}

OpenFile::~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
}

void OpenFile::read(uint64_t offset, size_t n_bytes, void* out) const {
    for (auto* to = static_cast<char*>(out); n_bytes > 0;) {
        const ssize_t n = pread(fd_, to, n_bytes, off_t(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail(name(), fmt::format("cannot read: {}", std::strerror(errno)));
        if (n == 0)
            fail(name(), fmt::format("ends at byte {}, expected {} bytes as when it was opened; it "
                                     "was changed while it was read: start again",
                                     offset, n_bytes_));
        to += n, offset += uint64_t(n), n_bytes -= size_t(n);
    }
}

void OpenFile::check_unchanged() const {
    struct stat status {};
    if (fstat(fd_, &status) != 0) fail(name(), std::strerror(errno));
    if (size_t(status.st_size) != n_bytes_ || modification_time(status) != modified_ns_)
        fail(name(), "was changed while it was read; start again when it is complete");
}

StoredTensor StoredTensor::as_numbers() const {
    if (!blocks || dtype != DType::other) return *this;
    StoredTensor numbers = *this;
    numbers.dtype = DType::bf16, numbers.dtype_name = qwend::dtype_name(DType::bf16);
    numbers.n_bytes = n_bytes / size_t(blocks->n_bytes) * size_t(blocks->n_weights) * 2;
    return numbers;
}

const StoredTensor* TensorFiles::find(std::string_view name) const {
    auto found = tensors_.find(std::string(name));
    return found == tensors_.end() ? nullptr : &found->second;
}

size_t TensorFiles::total_bytes() const {
    size_t total = 0;
    for (auto& [name, tensor] : tensors_) total += tensor.n_bytes;
    return total;
}

void TensorFiles::read(const StoredTensor& tensor, size_t begin, size_t n_bytes, void* out) const {
    if (tensor.blocks && tensor.dtype != DType::other)
        return read_numbers(tensor, begin, n_bytes, static_cast<std::byte*>(out));
    files_[tensor.file].read(tensor.offset + begin, n_bytes, out);
}

/// Any part of it, of which the first number and the last may be within a block.
void TensorFiles::read_numbers(const StoredTensor& tensor, size_t begin, size_t n_bytes,
                               std::byte* out) const {
    constexpr size_t kBlocksAtOnce = 256;
    const BlockFormat& format = *tensor.blocks;
    const auto block_bytes = size_t(format.n_bytes), n_weights = size_t(format.n_weights);
    const size_t number_bytes = n_weights * sizeof(bf16_t), end = begin + n_bytes;
    std::vector<std::byte> blocks(kBlocksAtOnce * block_bytes);
    std::vector<float> values(kBlocksAtOnce * n_weights);
    std::vector<bf16_t> numbers(values.size());
    for (size_t block = begin / number_bytes; block * number_bytes < end;) {
        const size_t n = std::min(kBlocksAtOnce, (end - 1) / number_bytes + 1 - block);
        files_[tensor.file].read(tensor.offset + block * block_bytes, n * block_bytes,
                                 blocks.data());
        blocks_to_float(format, blocks.data(), n, values.data());
        std::transform(values.begin(), values.end(), numbers.begin(), float_to_bf16);
        const size_t first = block * number_bytes, from = std::max(first, begin);
        const size_t to = std::min(first + n * number_bytes, end);
        std::memcpy(out + (from - begin),
                    reinterpret_cast<const std::byte*>(numbers.data()) + (from - first), to - from);
        block += n;
    }
}

void TensorFiles::check_unchanged() const {
    for (const OpenFile& file : files_) file.check_unchanged();
}

}  // namespace qwend
