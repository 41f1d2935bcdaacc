#include "model/text/protobuf_reader.h"

#include <fmt/core.h>

#include "model/error.h"

namespace qwend {

ProtobufReader::ProtobufReader(std::string_view message, const std::string& source)
    : message_(message), source_(source) {}

void ProtobufReader::fail(std::string_view what) const {
    throw LoadError(fmt::format("{}: expected a protobuf message, found {} at byte {} of {}",
                                source_, what, at_, message_.size()));
}

std::string_view ProtobufReader::take(uint64_t n_bytes) {
    if (n_bytes > message_.size() - at_) fail("a field that goes on behind the end");
    const std::string_view bytes = message_.substr(at_, size_t(n_bytes));
    at_ += size_t(n_bytes);
    return bytes;
}

/// Seven bits a byte, the lowest first; the highest bit says that it goes on.
uint64_t ProtobufReader::varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        const auto byte = uint8_t(take(1)[0]);
        value |= uint64_t(byte & 0x7F) << shift;
        if (byte < 0x80) return value;
    }
    fail("a number of more than 64 bits");
}

uint64_t ProtobufReader::fixed(size_t n_bytes) {
    const std::string_view bytes = take(n_bytes);
    uint64_t value = 0;
    for (size_t i = n_bytes; i-- > 0;) value = value << 8 | uint8_t(bytes[i]);
    return value;
}

std::optional<ProtobufReader::Field> ProtobufReader::next() {
    if (at_ == message_.size()) return std::nullopt;
    const uint64_t tag = varint();
    if (tag >> 3 == 0 || tag >> 32 != 0) fail("a field without a number");
    Field field{.number = uint32_t(tag >> 3), .wire_type = uint32_t(tag & 7)};
    switch (field.wire_type) {
        case 0:
            field.bits = varint();
            return field;
        case 1:
            field.bits = fixed(8);
            return field;
        case 2:
            field.bytes = take(varint());
            return field;
        case 5:
            field.bits = fixed(4);
            return field;
        default:
            fail("a field of no kind");
    }
}

}  // namespace qwend
