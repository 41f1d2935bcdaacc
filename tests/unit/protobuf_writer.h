#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Writes fields of a protobuf message.
struct ProtobufWriter {
    std::string message = {};

    ProtobufWriter& raw_varint(uint64_t value) {
        for (; value >= 0x80; value >>= 7) message += char(value | 0x80);
        message += char(value);
        return *this;
    }
    ProtobufWriter& tag(uint32_t number, uint32_t wire_type) {
        return raw_varint(uint64_t(number) << 3 | wire_type);
    }
    ProtobufWriter& varint(uint32_t number, uint64_t value) {
        return tag(number, 0).raw_varint(value);
    }
    ProtobufWriter& bytes(uint32_t number, std::string_view value) {
        tag(number, 2).raw_varint(value.size());
        message.append(value);
        return *this;
    }
    ProtobufWriter& fixed32(uint32_t number, uint32_t value) {
        tag(number, 5);
        for (int i = 0; i < 4; i++, value >>= 8) message += char(value);
        return *this;
    }
    ProtobufWriter& fixed64(uint32_t number, uint64_t value) {
        tag(number, 1);
        for (int i = 0; i < 8; i++, value >>= 8) message += char(value);
        return *this;
    }
};
