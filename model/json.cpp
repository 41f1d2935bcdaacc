#include "model/json.h"

#include <fmt/core.h>

#include <fstream>
#include <sstream>

namespace qwend {

namespace {
constexpr size_t kMaxDepth = 64;
}

void refuse_lfs_pointer(std::string_view head, const std::filesystem::path& path) {
    if (!head.starts_with("version https://git-lfs.github.com/spec/")) return;
    throw LoadError(fmt::format(
        "{} is a git-lfs pointer, not the file itself; in that folder run: git lfs pull",
        path.string()));
}

std::string read_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    if (!in || !(text << in.rdbuf())) throw LoadError(fmt::format("cannot read {}", path.string()));
    std::string out = std::move(text).str();
    refuse_lfs_pointer(out, path);
    return out;
}

JsonFile::JsonFile(const std::filesystem::path& path) : name_(path.string()) {
    parse(read_file(path));
}

JsonFile::JsonFile(std::string_view text, std::string name) : name_(std::move(name)) {
    parse(text);
}

void JsonFile::parse(std::string_view text) {
    if (auto error = parser_.allocate(std::max<size_t>(text.size(), 64), kMaxDepth))
        fail(simdjson::error_message(error));
    simdjson::padded_string padded(text);
    auto result = parser_.parse(padded);
    if (result.error()) fail(fmt::format("not valid JSON: {}", error_message(result.error())));
    if (result.get(root_) != simdjson::SUCCESS) fail("expected a JSON object at the top");
}

void JsonFile::fail(std::string_view what) const {
    throw LoadError(fmt::format("{}: {}", name_, what));
}

bool JsonFile::has(std::string_view field) const {
    simdjson::dom::element element;
    return root_.at_key(field).get(element) == simdjson::SUCCESS && !element.is_null();
}

int64_t JsonFile::integer(std::string_view field, int64_t low, int64_t high) const {
    simdjson::dom::element element;
    if (root_.at_key(field).get(element) != simdjson::SUCCESS)
        fail(fmt::format("expected the field \"{}\", found none", field));
    int64_t value = 0;
    if (element.get(value) != simdjson::SUCCESS)
        fail(
            fmt::format("\"{}\": expected an integer, found {}", field, simdjson::minify(element)));
    if (value < low || value > high)
        fail(fmt::format("\"{}\": expected {} to {}, found {}", field, low, high, value));
    return value;
}

double JsonFile::number(std::string_view field, double low, double high) const {
    simdjson::dom::element element;
    if (root_.at_key(field).get(element) != simdjson::SUCCESS)
        fail(fmt::format("expected the field \"{}\", found none", field));
    double value = 0;
    if (element.get(value) != simdjson::SUCCESS)
        fail(fmt::format("\"{}\": expected a number, found {}", field, simdjson::minify(element)));
    if (!(value >= low && value <= high))
        fail(fmt::format("\"{}\": expected {} to {}, found {}", field, low, high, value));
    return value;
}

bool JsonFile::boolean(std::string_view field, bool otherwise) const {
    if (!has(field)) return otherwise;
    bool value = false;
    if (root_.at_key(field).get(value) != simdjson::SUCCESS)
        fail(fmt::format("\"{}\": expected true or false", field));
    return value;
}

}  // namespace qwend
