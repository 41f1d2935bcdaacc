#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/tensor_files.h"

namespace qwend {

/// The types of a value in a GGUF file's metadata, by their numbers there.
enum class GgufType : uint32_t {
    u8,
    i8,
    u16,
    i16,
    u32,
    i32,
    f32,
    boolean,
    string,
    array,
    u64,
    i64,
    f64
};

/// A value as it lies in the header, which has to stay.
struct GgufValue {
    GgufType type = GgufType::u8;
    GgufType element = GgufType::u8;  // of an array
    uint64_t n = 1;                   // elements of an array
    std::string_view bytes;           // of a string its characters
};

/// What a GGUF file has before its tensors: metadata by key, and where each tensor is. Hostile
/// until checked: what it counts is believed as far as there are bytes of it. Source:
/// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (format description).
class GgufHeader {
  public:
    /// `head`: the first bytes of a file of `n_file`. Empty if the header goes on beyond them, and
    /// the file as well. Throws LoadError naming `file`: no GGUF or one of another version, an
    /// impossible length, the same name twice, a tensor of a type that is not served or beyond the
    /// file's end.
    static std::optional<GgufHeader> parse(std::string head, uint64_t n_file,
                                           const std::string& file);

    const std::string& file() const { return file_; }
    [[noreturn]] void fail(std::string_view what) const;

    bool has(std::string_view key) const { return values_.contains(key); }
    /// The value of a key; empty if there is none. They throw LoadError for one of another type or
    /// beyond its range; for strings that are not UTF-8, too.
    std::optional<std::string_view> string(std::string_view key) const;
    std::optional<int64_t> integer(std::string_view key, int64_t low, int64_t high) const;
    std::optional<double> number(std::string_view key) const;
    std::optional<bool> boolean(std::string_view key) const;
    std::optional<std::vector<std::string_view>> strings(std::string_view key) const;
    std::optional<std::vector<int64_t>> integers(std::string_view key, int64_t low,
                                                 int64_t high) const;

    /// By the names that the file has.
    const StoredTensors& tensors() const { return tensors_; }

  private:
    friend class GgufParser;

    GgufHeader() = default;
    const GgufValue* find(std::string_view key) const;
    [[noreturn]] void fail_type(std::string_view key, std::string_view expected) const;
    int64_t integer_at(std::string_view key, GgufType type, const char* at, int64_t low,
                       int64_t high) const;

    std::string file_;
    std::shared_ptr<const std::string> head_;  // that the values are of
    std::unordered_map<std::string_view, GgufValue> values_;
    StoredTensors tensors_;
};

}  // namespace qwend
