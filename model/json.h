#pragma once

#include <simdjson.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "model/error.h"

namespace qwend {

/// Reads a whole text file. Throws LoadError if it cannot be read, or if it is the pointer that
/// git-lfs leaves in place of a large file.
std::string read_file(const std::filesystem::path& path);

/// A parsed JSON file of a checkpoint. Its errors name the file and the field.
class JsonFile {
  public:
    /// Throws LoadError: unreadable, not JSON, nested too deep, or not an object.
    explicit JsonFile(const std::filesystem::path& path);
    JsonFile(std::string_view text, std::string name);

    simdjson::dom::object root() const { return root_; }
    const std::string& name() const { return name_; }
    [[noreturn]] void fail(std::string_view what) const;

    bool has(std::string_view field) const;  // present and not null
    int64_t integer(std::string_view field, int64_t low, int64_t high) const;
    double number(std::string_view field, double low, double high) const;
    bool boolean(std::string_view field, bool otherwise) const;

  private:
    void parse(std::string_view text);

    std::string name_;
    simdjson::dom::parser parser_;
    simdjson::dom::object root_;
};

/// If `head` begins like a git-lfs pointer, throws a LoadError that says how to get the real file.
void refuse_lfs_pointer(std::string_view head, const std::filesystem::path& path);

}  // namespace qwend
