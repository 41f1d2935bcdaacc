#include "model/gguf/files.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/error.h"
#include "model/file.h"
#include "model/gguf/names.h"
#include "model/utf8.h"

namespace qwend {

namespace {

namespace fs = std::filesystem;

constexpr size_t kFirstRead = 1 << 20;  // bytes; each further try reads twice as many
constexpr int64_t kMostFiles = 10'000;
constexpr const char* kEnding = ".gguf";

/// The name of a file among several of a model, up to its number; empty if it has none.
std::string stem_of_several(const fs::path& file) {
    constexpr std::string_view kForm = "-00001-of-00001";
    const std::string stem = file.stem().string();
    if (stem.size() <= kForm.size()) return {};
    const std::string_view end = std::string_view(stem).substr(stem.size() - kForm.size());
    for (size_t i = 0; i < kForm.size(); i++) {
        const bool is_digit = end[i] >= '0' && end[i] <= '9';
        if (kForm[i] >= '0' && kForm[i] <= '9' ? !is_digit : end[i] != kForm[i]) return {};
    }
    return stem.substr(0, stem.size() - kForm.size());
}

fs::path file_of_several(const fs::path& file, int64_t number, int64_t n_files) {
    return file.parent_path() /
           fmt::format("{}-{:05}-of-{:05}{}", stem_of_several(file), number, n_files, kEnding);
}

GgufHeader read_header(const OpenFile& file) {
    for (size_t n = kFirstRead;; n *= 2) {
        std::string head(std::min(n, file.n_bytes()), '\0');
        file.read(0, head.size(), head.data());
        if (auto header = GgufHeader::parse(std::move(head), file.n_bytes(), file.name()))
            return *std::move(header);
    }
}

/// Files of the model, of which this is the one with the number, from 1 on.
int64_t count_files(const GgufHeader& header, const fs::path& file, int64_t number,
                    int64_t expected) {
    const int64_t n = header.integer("split.count", 0, kMostFiles).value_or(1);
    const int64_t found = header.integer("split.no", 0, kMostFiles).value_or(0) + 1;
    if (expected > 0 && n != expected)
        header.fail(fmt::format("split.count: expected {} as in the model's first file, found {}",
                                expected, n));
    if (n > 1 && stem_of_several(file).empty())
        header.fail(
            fmt::format("it is file {} of {} of a model, but not called so; expected "
                        "NAME-{:05}-of-{:05}.gguf",
                        found, n, found, n));
    if (n > 1 && found != number)
        header.fail(fmt::format("it is file {} of {}; expected {}{}", found, n, number,
                                number == 1 ? ": give --model the first" : ""));
    return std::max<int64_t>(n, 1);
}

void add_tensors(const GgufHeader& header, size_t file, StoredTensors& tensors) {
    for (const auto& [name, tensor] : header.tensors()) {
        const std::string known = checkpoint_name(name);
        if (known.empty())
            header.fail(
                fmt::format("tensor {}: expected those of a Qwen2, found another, without "
                            "which the model would be another; serve the folder that it "
                            "was converted from",
                            excerpt(name)));
        const auto [place, is_new] = tensors.emplace(known, tensor);
        if (!is_new) header.fail(fmt::format("tensor {} is in another file as well", name));
        place->second.file = file;
    }
}

}  // namespace

fs::path find_gguf(const fs::path& model) {
    std::error_code error;
    if (!fs::is_directory(model, error)) return fs::is_regular_file(model, error) ? model : "";
    if (fs::exists(model / "config.json", error)) return {};
    std::set<fs::path> models;
    for (const auto& entry : fs::directory_iterator(model, error)) {
        const fs::path& path = entry.path();
        if (path.extension() != kEnding) continue;
        const std::string stem = stem_of_several(path);
        if (stem.empty())
            models.insert(path);
        else if (path.stem().string().substr(stem.size()).starts_with("-00001-"))
            models.insert(path);
    }
    if (models.size() > 1)
        throw LoadError(
            fmt::format("{}: expected one model, found {}; give --model one of its "
                        "files, {} for one",
                        model.string(), models.size(), models.begin()->string()));
    return models.empty() ? fs::path() : *models.begin();
}

std::string gguf_model_name(const fs::path& file) {
    const std::string several = stem_of_several(file);
    return several.empty() ? file.stem().string() : several;
}

GgufHeader read_gguf_header(const fs::path& file) {
    GgufHeader header = read_header(OpenFile(file));
    count_files(header, file, 1, 0);
    return header;
}

GgufModel open_gguf(const fs::path& file) {
    std::vector<OpenFile> files;
    files.emplace_back(file);
    GgufHeader first = read_header(files[0]);
    const int64_t n_files = count_files(first, file, 1, 0);
    StoredTensors tensors;
    add_tensors(first, 0, tensors);
    for (int64_t i = 2; i <= n_files; i++) {
        const fs::path path = file_of_several(file, i, n_files);
        if (!file_exists(path))
            first.fail(
                fmt::format("it is one of {} files of a model; expected {} beside it, found "
                            "none",
                            n_files, path.filename().string()));
        files.emplace_back(path);
        const GgufHeader header = read_header(files.back());
        count_files(header, path, i, n_files);
        add_tensors(header, files.size() - 1, tensors);
    }
    if (const auto n = first.integer("split.tensors.count", 0, INT32_MAX);
        n && size_t(*n) != tensors.size() && n_files > 1)
        first.fail(fmt::format("split.tensors.count: expected {} tensors in all files, found {}",
                               *n, tensors.size()));
    return {std::move(first), {std::move(files), std::move(tensors)}};
}

}  // namespace qwend
