#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "daemon/api/schema.h"
#include "model/json_document.h"

namespace qwend {

/// For dialects whose requests all have the same fields.
inline constexpr unsigned kAnyScope = ~0U;

/// A field of a dialect's requests, described once: what reads it and /openapi.json have its type
/// and its bounds from here.
template <class Reader>
struct Field {
    unsigned scope;      // the requests that have it, in the dialect's bits
    std::string schema;  // JSON Schema of its values but null, which is the same as absent
    /// Reads a value that is not null into what the reader fills. `at` is the field's path, for the
    /// error; false once there is one.
    std::function<bool(Reader&, const std::string& at, const JsonValue&)> read;
};

/// By name, which may mean one thing to some requests and another to others.
template <class Reader>
using FieldTable = std::multimap<std::string_view, Field<Reader>>;

/// The field that requests of `scope` have by this name; else nullptr.
template <class Reader>
const Field<Reader>* find_field(const FieldTable<Reader>& fields, std::string_view name,
                                unsigned scope) {
    auto [at, end] = fields.equal_range(name);
    while (at != end && !(at->second.scope & scope)) ++at;
    return at == end ? nullptr : &at->second;
}

/// Where a field's value goes: a member of the reader, or of what is in it.
#define QWEND_INTO(member) \
    [](auto& r) -> auto& { \
        return r.member;   \
    }

/// The usual kinds of fields, for a reader whose `read` is a FieldReader.
template <class Reader>
struct FieldKinds {
    using Kind = Field<Reader>;

    static Kind boolean(unsigned scope, auto into) {
        return {scope, std::string(kBooleanSchema),
                [into](Reader& r, const std::string& at, const JsonValue& v) {
                    return r.read.boolean(at, v, into(r));
                }};
    }
    static Kind integer(unsigned scope, int64_t low, int64_t high, auto into) {
        return {scope, integer_schema(low, high),
                [low, high, into](Reader& r, const std::string& at, const JsonValue& v) {
                    return r.read.integer(at, v, low, high, into(r));
                }};
    }
    static Kind number(unsigned scope, double low, double high, auto into) {
        return {scope, number_schema(low, high),
                [low, high, into](Reader& r, const std::string& at, const JsonValue& v) {
                    return r.read.number(at, v, low, high, into(r));
                }};
    }
    static Kind string(unsigned scope, auto into) {
        return {scope, std::string(kStringSchema),
                [into](Reader& r, const std::string& at, const JsonValue& v) {
                    return r.read.string(at, v, into(r));
                }};
    }
    static Kind token_ids(unsigned scope, size_t most, auto into) {
        return {scope, array_schema(R"({"type":"integer","minimum":0})"),
                [most, into](Reader& r, const std::string& at, const JsonValue& v) {
                    return r.read.token_ids(at, v, most, into(r));
                }};
    }
    /// What is not there yet, and would change the answer.
    static Kind refused(unsigned scope, std::string_view instead = "") {
        return {scope, R"({"type":"null"})",
                [instead](Reader& r, const std::string& at, const JsonValue&) {
                    return r.read.unsupported(at, instead);
                }};
    }
    /// What changes nothing, whatever it says.
    static Kind ignored(unsigned scope, std::string_view schema = kAnySchema) {
        return {scope, std::string(schema),
                [](Reader&, const std::string&, const JsonValue&) { return true; }};
    }
    /// What is read by a function of the reader's, or of its own.
    static Kind with(unsigned scope, std::string_view schema,
                     bool (Reader::*read)(const JsonValue&)) {
        return {scope, std::string(schema),
                [read](Reader& r, const std::string&, const JsonValue& v) { return (r.*read)(v); }};
    }
    static Kind with(unsigned scope, std::string_view schema,
                     bool (*read)(Reader&, const JsonValue&)) {
        return {scope, std::string(schema),
                [read](Reader& r, const std::string&, const JsonValue& v) { return read(r, v); }};
    }
    static Kind with(unsigned scope, std::string_view schema,
                     bool (*read)(Reader&, const std::string&, const JsonValue&)) {
        return {scope, std::string(schema), read};
    }
};

/// Adds the fields that requests of `scope` have.
template <class Reader>
void add_fields(RequestSchema& schema, const FieldTable<Reader>& fields, unsigned scope) {
    for (const auto& [name, field] : fields)
        if (field.scope & scope) schema.add(name, field.schema);
}

}  // namespace qwend
