#include "model/gguf/header.h"

#include <fmt/core.h>

#include <cmath>
#include <cstring>

#include "model/error.h"
#include "model/utf8.h"

namespace qwend {

namespace {

/// Of a scalar's little-endian bytes; the file promises no alignment.
template <typename T>
T scalar(const char* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

size_t size_of(GgufType type) {
    switch (type) {
        case GgufType::u8:
        case GgufType::i8:
        case GgufType::boolean:
            return 1;
        case GgufType::u16:
        case GgufType::i16:
            return 2;
        case GgufType::u32:
        case GgufType::i32:
        case GgufType::f32:
            return 4;
        default:
            return 8;
    }
}

bool is_integer(GgufType type) {
    return type != GgufType::f32 && type != GgufType::f64 && type != GgufType::boolean &&
           type != GgufType::string && type != GgufType::array;
}

}  // namespace

void GgufHeader::fail(std::string_view what) const {
    constexpr size_t kMost = 1024;  // bytes: it may repeat a name, however long
    throw LoadError(fmt::format("{}: {}", file_, excerpt(what, kMost)));
}

const GgufValue* GgufHeader::find(std::string_view key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? nullptr : &found->second;
}

void GgufHeader::fail_type(std::string_view key, std::string_view expected) const {
    static constexpr const char* kNames[] = {
        "uint8",     "int8",     "uint16",   "int16",  "uint32", "int32",  "float32",
        "a boolean", "a string", "an array", "uint64", "int64",  "float64"};
    const GgufValue& value = *find(key);
    const bool is_array = value.type == GgufType::array;
    fail(fmt::format("{}: expected {}, found {}{}", key, expected, is_array ? "an array of " : "",
                     kNames[size_t(is_array ? value.element : value.type)]));
}

std::optional<std::string_view> GgufHeader::string(std::string_view key) const {
    const GgufValue* value = find(key);
    if (!value) return std::nullopt;
    if (value->type != GgufType::string) fail_type(key, "a string");
    if (!is_utf8(value->bytes)) fail(fmt::format("{}: expected UTF-8, found other bytes", key));
    return value->bytes;
}

int64_t GgufHeader::integer_at(std::string_view key, GgufType type, const char* at, int64_t low,
                               int64_t high) const {
    int64_t value = 0;
    switch (type) {
        case GgufType::u8:
            value = scalar<uint8_t>(at);
            break;
        case GgufType::i8:
            value = scalar<int8_t>(at);
            break;
        case GgufType::u16:
            value = scalar<uint16_t>(at);
            break;
        case GgufType::i16:
            value = scalar<int16_t>(at);
            break;
        case GgufType::u32:
            value = scalar<uint32_t>(at);
            break;
        case GgufType::i32:
            value = scalar<int32_t>(at);
            break;
        case GgufType::u64:
            if (const auto large = scalar<uint64_t>(at); large > uint64_t(INT64_MAX))
                fail(fmt::format("{}: expected {} to {}, found {}", key, low, high, large));
            [[fallthrough]];
        default:
            value = scalar<int64_t>(at);
    }
    if (value < low || value > high)
        fail(fmt::format("{}: expected {} to {}, found {}", key, low, high, value));
    return value;
}

std::optional<int64_t> GgufHeader::integer(std::string_view key, int64_t low, int64_t high) const {
    const GgufValue* value = find(key);
    if (!value) return std::nullopt;
    if (!is_integer(value->type)) fail_type(key, "an integer");
    return integer_at(key, value->type, value->bytes.data(), low, high);
}

std::optional<double> GgufHeader::number(std::string_view key) const {
    const GgufValue* value = find(key);
    if (!value) return std::nullopt;
    double found = 0;
    if (value->type == GgufType::f32)
        found = scalar<float>(value->bytes.data());
    else if (value->type == GgufType::f64)
        found = scalar<double>(value->bytes.data());
    else if (is_integer(value->type))
        found = double(*integer(key, INT64_MIN, INT64_MAX));
    else
        fail_type(key, "a number");
    if (!std::isfinite(found)) fail(fmt::format("{}: expected a number, found {}", key, found));
    return found;
}

std::optional<bool> GgufHeader::boolean(std::string_view key) const {
    const GgufValue* value = find(key);
    if (!value) return std::nullopt;
    if (value->type != GgufType::boolean) fail_type(key, "a boolean");
    return value->bytes[0] != 0;
}

std::optional<std::vector<std::string_view>> GgufHeader::strings(std::string_view key) const {
    const GgufValue* value = find(key);
    if (!value) return std::nullopt;
    if (value->type != GgufType::array || value->element != GgufType::string)
        fail_type(key, "an array of strings");
    std::vector<std::string_view> found;
    found.reserve(size_t(value->n));  // each has eight bytes of the file at least
    std::string_view rest = value->bytes;
    for (uint64_t i = 0; i < value->n; i++) {
        const auto n = size_t(scalar<uint64_t>(rest.data()));
        found.push_back(rest.substr(sizeof(uint64_t), n));
        if (!is_utf8(found.back()))
            fail(fmt::format("{}: expected UTF-8, found other bytes in element {}", key, i));
        rest.remove_prefix(sizeof(uint64_t) + n);
    }
    return found;
}

std::optional<std::vector<int64_t>> GgufHeader::integers(std::string_view key, int64_t low,
                                                         int64_t high) const {
    const GgufValue* value = find(key);
    if (!value) return std::nullopt;
    if (value->type != GgufType::array || !is_integer(value->element))
        fail_type(key, "an array of integers");
    std::vector<int64_t> found;
    found.reserve(size_t(value->n));
    const size_t size = size_of(value->element);
    for (size_t i = 0; i < size_t(value->n); i++)
        found.push_back(integer_at(key, value->element, value->bytes.data() + i * size, low, high));
    return found;
}

}  // namespace qwend
