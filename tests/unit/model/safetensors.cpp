// Headers of safetensors files, good and hostile, and the files of a folder.

#include "model/safetensors.h"

#include <doctest/doctest.h>

#include <utility>

#include "model/error.h"
#include "tests/unit/checkpoint_files.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

StoredTensors parse(const std::string& file) {
    return parse_safetensors(file, file.size(), "f");
}

std::string message_of(const std::string& file) {
    try {
        parse(file);
    } catch (const LoadError& error) {
        return error.what();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("safetensors: a good file") {
    const std::string file = file_of(
        R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[],"data_offsets":[12,16]},)"
        R"("a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}})",
        std::string(16, 'x'));
    const auto tensors = parse(file);
    REQUIRE(tensors.size() == 2);
    CHECK(tensors.at("a").shape == std::vector<int64_t>{2, 3});
    CHECK(tensors.at("a").n_bytes == 12);
    CHECK(tensors.at("a").offset == file.size() - 16);
    CHECK(tensors.at("b").dtype == DType::f32);
}

TEST_CASE("safetensors: a header may be padded with spaces, as the reference writes it") {
    CHECK(parse(file_of("{}      ", "")).empty());
}

TEST_CASE("safetensors: every element type of the format is described, and unknown ones") {
    struct Case {
        const char* dtype;
        size_t n_bits;
    };
    for (auto [dtype, n_bits] : std::vector<Case>{
             {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
             {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
             {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
             {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
             {"I64", 64},        {"U64", 64},    {"POSIT16", 16}}) {
        CAPTURE(dtype);
        const std::string n = std::to_string(n_bits * 3);
        const std::string header = std::string(R"({"a":{"dtype":")") + dtype +
                                   R"(","shape":[2,3,4],"data_offsets":[0,)" + n + "]}}";
        const auto tensors = parse(file_of(header, std::string(n_bits * 3, 'x')));
        CHECK(tensors.at("a").dtype_name == dtype);
        CHECK(tensors.at("a").n_bytes == n_bits * 3);
    }
}

TEST_CASE("safetensors: hostile headers are refused with the reason") {
    auto one = [](const char* entry, size_t n = 12) {
        return message_of(file_of(std::string("{\"a\":") + entry + "}", std::string(n, 'x')));
    };
    CHECK_SAYS(message_of(""), ("too short"));
    CHECK_SAYS(message_of("abc"), ("too short"));
    CHECK_SAYS(message_of(std::string(8, '\xFF')), ("header of"));
    CHECK_SAYS(message_of(file_of("[]", "")), ("object at the top"));
    CHECK_SAYS(message_of(file_of("{\"a\":", "")), ("not valid JSON"));
    CHECK_SAYS(one("1"), ("expected an object"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,16]})"), ("truncated"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":[4],"data_offsets":[0,12]})"), ("expected 16"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":[3],"data_offsets":[12,0]})"), ("data_offsets"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":[-3],"data_offsets":[0,12]})"), ("impossible"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,12]})"),
               ("impossible"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,12]})", 13), ("expected 12"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})"), ("hole of 4"));
    CHECK_SAYS(one(R"({"dtype":"F4","shape":[23],"data_offsets":[0,12]})"), ("expected 12"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":["3"],"data_offsets":[0,12]})"), ("impossible"));
    CHECK_SAYS(one(R"({"dtype":32,"shape":[3],"data_offsets":[0,12]})"), ("expected dtype"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,99999999999999999999]})"),
               ("data_offsets"));
    CHECK_SAYS(message_of(file_of(std::string("{\"\xFF\":1}"), "")), ("not valid JSON"));
    CHECK_SAYS(message_of(file_of(std::string("{}\0\0\0", 5), "")), ("not valid JSON"));
    CHECK_SAYS(message_of(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                  R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                                  std::string(12, 'x'))),
               ("overlaps"));
    CHECK_SAYS(message_of("version https://git-lfs.github.com/spec/v1\n"), ("git lfs pull"));
}

namespace {

/// A file with tensors of one F32 each.
std::string singles(std::initializer_list<std::pair<const char*, std::string_view>> tensors) {
    std::string header, data;
    for (auto [name, bytes] : tensors) {
        header += (header.empty() ? "{\"" : ",\"") + std::string(name) +
                  R"(":{"dtype":"F32","shape":[1],"data_offsets":[)" + std::to_string(data.size()) +
                  "," + std::to_string(data.size() + 4) + "]}";
        data += bytes;
    }
    return file_of(header + "}", data);
}

std::string content(const TensorFiles& files, const char* name) {
    const StoredTensor* tensor = files.find(name);
    if (!tensor) return "absent";
    std::string bytes(tensor->n_bytes, '\0');
    files.read(*tensor, 0, bytes.size(), bytes.data());
    return bytes;
}

}  // namespace

TEST_CASE("safetensors: shards by their index, which names plain files only") {
    TempDir dir;
    dir.write("a.safetensors", singles({{"x", "abcd"}}));
    dir.write("b.safetensors", singles({{"y", "efgh"}}));
    dir.write("model.safetensors.index.json",
              R"({"weight_map":{"x":"a.safetensors","y":"b.safetensors"}})");
    const TensorFiles files = open_safetensors(dir.path());
    CHECK(content(files, "x") == "abcd");
    CHECK(content(files, "y") == "efgh");
    CHECK(files.find("z") == nullptr);
    CHECK(files.total_bytes() == 8);
    for (auto name : {"../a.safetensors", "/etc/passwd", "", ".hidden"}) {
        dir.write("model.safetensors.index.json",
                  std::string(R"({"weight_map":{"x":")") + name + "\"}}");
        CHECK_THROWS_WITH_AS(open_safetensors(dir.path()), doctest::Contains("plain file name"),
                             LoadError);
    }
    dir.write("model.safetensors.index.json", R"({"weight_map":{"x":"c.safetensors"}})");
    CHECK_THROWS_WITH_AS(open_safetensors(dir.path()),
                         doctest::Contains("c.safetensors: No such file"), LoadError);
}

TEST_CASE("safetensors: of a tensor in two shards the one counts that the index names") {
    TempDir dir;
    dir.write("a.safetensors", singles({{"x", "aaaa"}, {"y", "AAAA"}, {"extra", "eeee"}}));
    dir.write("b.safetensors", singles({{"x", "bbbb"}, {"y", "BBBB"}}));
    for (auto [x, y] : {std::pair{'a', 'b'}, {'b', 'a'}}) {
        dir.write("model.safetensors.index.json", std::string(R"({"weight_map":{"x":")") + x +
                                                      R"(.safetensors","y":")" + y +
                                                      R"(.safetensors"}})");
        const TensorFiles files = open_safetensors(dir.path());
        CHECK(content(files, "x") == std::string(4, x));
        CHECK(content(files, "y") == std::string(4, char(y - 'a' + 'A')));
        CHECK(content(files, "extra") == "eeee");
    }
}

TEST_CASE("safetensors: the single file comes before an index beside it, as in transformers") {
    TempDir dir;
    dir.write("model.safetensors", singles({{"x", "good"}}));
    for (auto stale :
         {R"({"weight_map":{"x":"model-00001-of-00002.safetensors"}})", "{}", "junk"}) {
        dir.write("model.safetensors.index.json", stale);
        CHECK(content(open_safetensors(dir.path()), "x") == "good");
    }
}

TEST_CASE("safetensors: folders without weights say what is there instead") {
    for (auto [name, hint] : {std::pair{"model.gguf", "found model.gguf: give --model that file"},
                              {"pytorch_model.bin", "pytorch_model.bin"},
                              {"model-00001-of-00002.safetensors", "without an index"},
                              {"adapter_model.safetensors", "adapter (LoRA)"}}) {
        TempDir dir;
        dir.write(name, "x");
        CHECK_THROWS_WITH_AS(open_safetensors(dir.path()), doctest::Contains(hint), LoadError);
    }
    TempDir dir;
    std::filesystem::create_directory(dir.path() / "model.safetensors");
    CHECK_THROWS_WITH_AS(open_safetensors(dir.path()), doctest::Contains("Is a directory"),
                         LoadError);
    TempDir pointer;
    pointer.write("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0");
    CHECK_THROWS_WITH_AS(open_safetensors(pointer.path()), doctest::Contains("git lfs pull"),
                         LoadError);
    TempDir cache;
    std::filesystem::create_symlink("../../blobs/0123", cache.path() / "model.safetensors");
    CHECK_THROWS_WITH_AS(open_safetensors(cache.path()),
                         doctest::Contains("a link to ../../blobs/0123"), LoadError);
}

TEST_CASE("safetensors: a file that changes after it was opened is an error and no signal") {
    TempDir dir;
    const std::string file = singles({{"x", "abcd"}, {"y", "efgh"}});
    const auto path = dir.write("model.safetensors", file);
    const TensorFiles files = open_safetensors(dir.path());
    CHECK_NOTHROW(files.check_unchanged());
    std::filesystem::resize_file(path, file.size() - 4);
    CHECK(content(files, "x") == "abcd");
    CHECK_THROWS_WITH_AS(content(files, "y"), doctest::Contains("changed while it was read"),
                         LoadError);
    CHECK_THROWS_WITH_AS(files.check_unchanged(), doctest::Contains("changed"), LoadError);
    std::filesystem::resize_file(path, file.size());  // the size as before, not the content
    CHECK_THROWS_WITH_AS(files.check_unchanged(), doctest::Contains("changed"), LoadError);
}

TEST_CASE("safetensors: a header costs time and memory by its length, not by what it names") {
    // Sorting and hashing of 50,000 tensors; anything quadratic takes minutes.
    std::string header;
    constexpr int kTensors = 50'000;
    for (int i = 0; i < kTensors; i++)
        header += (i == 0 ? "{\"t" : ",\"t") + std::to_string(i) +
                  R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
    CHECK(parse(file_of(header + "}", "")).size() == kTensors);
}
