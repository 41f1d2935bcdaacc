#pragma once

#include <simdjson.h>

#include <bit>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/unit/protobuf_writer.h"

/// One piece of a model; a type of 0 is left out, as that of a normal one may be.
inline std::string piece_of(std::string_view text, float score = 0, uint64_t type = 0) {
    ProtobufWriter piece;
    piece.bytes(1, text).fixed32(2, std::bit_cast<uint32_t>(score));
    if (type != 0) piece.varint(3, type);
    return ProtobufWriter().bytes(1, piece.message).message;
}

/// A message of numbers and texts by their fields' numbers.
inline std::string message_of(simdjson::dom::object fields) {
    ProtobufWriter message;
    for (auto [key, value] : fields) {
        uint32_t number = 0;
        std::from_chars(key.data(), key.data() + key.size(), number);
        std::string_view text;
        if (!value.get(text))
            message.bytes(number, text);
        else
            message.varint(number, uint64_t(value.get_int64().value()));
    }
    return message.message;
}

/// The tokenizer.model that a model of tests/golden/sentencepiece.json is of.
inline std::string sentencepiece_model(simdjson::dom::object model) {
    ProtobufWriter file;
    const simdjson::dom::array pieces = model["pieces"].get_array().value();
    for (auto piece : pieces)
        file.message +=
            piece_of(piece.at(0).get_string().value(), float(piece.at(1).get_double().value()),
                     piece.at(2).get_uint64().value());
    std::string normalizer = message_of(model["normalizer"].get_object().value()), charsmap;
    const std::string_view hex = model["charsmap"].get_string().value();
    for (size_t at = 0; at + 1 < hex.size(); at += 2) {
        int byte = 0;
        std::from_chars(hex.data() + at, hex.data() + at + 2, byte, 16);
        charsmap += char(byte);
    }
    normalizer += ProtobufWriter().bytes(2, charsmap).message;
    return file.bytes(2, message_of(model["trainer"].get_object().value()))
        .bytes(3, normalizer)
        .message;
}
