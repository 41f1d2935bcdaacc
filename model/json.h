#pragma once

#include <simdjson.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "model/error.h"
#include "model/file.h"

namespace qwend {

/// A parsed JSON file of a checkpoint, read as Python's json reads it, which wrote it: of a key
/// that appears twice the last counts, an integer beyond 64 bits is a number, NaN and Infinity are
/// accepted where nobody reads them (as strings: no field that is read takes them). A byte order
/// mark is skipped. Errors name the file and the field.
class JsonFile {
  public:
    /// Throws LoadError: unreadable, not JSON, nested too deep, or not an object.
    explicit JsonFile(const std::filesystem::path& path);
    JsonFile(std::string_view text, std::string name);

    simdjson::dom::object root() const { return root_; }
    const std::string& name() const { return name_; }
    [[noreturn]] void fail(std::string_view what) const;

    std::optional<simdjson::dom::element> find(std::string_view field) const;  // empty: or null
    bool has(std::string_view field) const { return find(field).has_value(); }
    int64_t integer(std::string_view field, int64_t low, int64_t high) const;
    double number(std::string_view field, double low, double high) const;
    bool boolean(std::string_view field, bool otherwise) const;

  private:
    void parse(std::string_view text);
    simdjson::dom::element get(std::string_view field) const;

    std::string name_;
    simdjson::dom::parser parser_;
    simdjson::dom::object root_;
};

/// The last value of the key, as Python's json takes it; empty: absent or null.
std::optional<simdjson::dom::element> find_last(simdjson::dom::object object, std::string_view key);

/// The same JSON with what Python writes and the standard has not: integers beyond 64 bits become
/// floating-point numbers, NaN and Infinity strings. Exposed for the tests.
std::string standard_json(std::string_view text);

}  // namespace qwend
