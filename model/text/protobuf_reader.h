#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace qwend {

/// Reads the fields of a protobuf message one after the other, in time linear in the message and
/// without memory of its own. The library for it would be another dependency with its own generated
/// code, for a format that is a dozen lines, and makes objects of a message before anything bounds
/// it.
class ProtobufReader {
  public:
    /// Fields are views of `message`; `source` is named where it is none, and outlives the reader.
    ProtobufReader(std::string_view message, const std::string& source);

    struct Field {
        uint32_t number = 0;
        uint32_t wire_type = 0;
        uint64_t bits = 0;            // of a varint or a number of fixed size
        std::string_view bytes = {};  // of what has a length

        bool is_varint() const { return wire_type == 0; }
        bool is_bytes() const { return wire_type == 2; }
        bool is_fixed32() const { return wire_type == 5; }
    };
    /// The next field; empty: there is none. Throws LoadError: it is cut, or begins or ends a
    /// group, which nothing has had for long.
    std::optional<Field> next();

  private:
    uint64_t varint();
    uint64_t fixed(size_t n_bytes);
    std::string_view take(uint64_t n_bytes);
    [[noreturn]] void fail(std::string_view what) const;

    std::string_view message_;
    const std::string& source_;
    size_t at_ = 0;
};

}  // namespace qwend
