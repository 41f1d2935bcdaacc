// Headers of GGUF files: good ones, every way in which they can be wrong, and every way to cut one.

#include "model/gguf/header.h"

#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "model/error.h"
#include "tests/unit/checkpoint_files.h"
#include "tests/unit/gguf_writer.h"

using namespace qwend;

namespace {

using W = GgufWriter;

GgufWriter good_file() {
    GgufWriter file;
    file.add("general.architecture", W::text("qwen2"));
    file.add("a.u32", W::u32(7)).add("a.i32", W::i32(-7)).add("a.u64", W::u64(uint64_t(1) << 63));
    file.add("a.f32", W::f32(0.5f)).add("a.yes", W::boolean(true));
    file.add("a.texts", W::texts({"one", "", "zwei"})).add("a.ids", W::i32s({3, -1, 2}));
    file.add("a.none", W::array(8, 0, ""));
    // What nobody asks for may be anything.
    file.add("a.nested", W::array(9, 2, W::texts({"x"}).substr(4) + W::i32s({1, 2}).substr(4)));
    file.tensor("one.weight", {2, 64}, 8, std::string(4 * 34, 'q'));
    file.tensor("two.weight", {3}, 0, std::string(12, 'f')).offset(160);
    return file;
}

std::string said_of(const std::string& content) {
    try {
        if (!GgufHeader::parse(content, content.size(), "m.gguf")) return "goes on";
    } catch (const LoadError& error) {
        return error.what();
    }
    return "good";
}

}  // namespace

TEST_CASE("gguf/header: values and tensors are what was written") {
    const std::string content = good_file().content();
    const auto header = GgufHeader::parse(content, content.size(), "m.gguf");
    REQUIRE(header);
    CHECK(header->string("general.architecture") == "qwen2");
    CHECK(header->integer("a.u32", 0, 9) == 7);
    CHECK(header->integer("a.i32", -9, 9) == -7);
    CHECK(header->number("a.i32") == -7.0);
    CHECK(header->number("a.f32") == 0.5);
    CHECK(header->boolean("a.yes") == true);
    CHECK(header->strings("a.texts") == std::vector<std::string_view>{"one", "", "zwei"});
    CHECK(header->strings("a.none") == std::vector<std::string_view>());
    CHECK(header->integers("a.ids", -1, 3) == std::vector<int64_t>{3, -1, 2});
    CHECK(header->has("a.nested"));
    CHECK(!header->string("missing"));
    CHECK(!header->integer("missing", 0, 1));
    REQUIRE(header->tensors().size() == 2);
    const StoredTensor& one = header->tensors().at("one.weight");
    CHECK(one.dtype == DType::other);
    CHECK(one.dtype_name == "Q8_0");
    CHECK(one.blocks != nullptr);
    CHECK(one.shape == std::vector<int64_t>{2, 64});
    CHECK(one.n_bytes == 136);
    CHECK(one.as_numbers().n_bytes == 256);
    CHECK(content.substr(one.offset, one.n_bytes) == std::string(136, 'q'));
    const StoredTensor& two = header->tensors().at("two.weight");
    CHECK(two.dtype == DType::f32);
    CHECK(content.substr(two.offset, two.n_bytes) == std::string(12, 'f'));
}

TEST_CASE(
    "gguf/header: wherever a file is cut, that is said, and where it goes on, that is known") {
    const std::string content = good_file().content(), header = good_file().header();
    const size_t padding = 20;  // behind the last tensor, which nobody misses
    for (size_t n = 0; n < content.size() - padding; n++) {
        CAPTURE(n);
        const std::string said = said_of(content.substr(0, n));
        CHECK(said.find("m.gguf: ") == 0);
        if (n >= 4) CHECK_SAYS(said, "truncated? Download it again");
        const bool is_whole =
            GgufHeader::parse(content.substr(0, n), content.size(), "m").has_value();
        CHECK(is_whole == (n >= header.size()));
    }
    CHECK(said_of(content) == "good");
}

namespace {

struct Spoiled {
    const char* says;
    std::function<void(GgufWriter&)> spoil;
};

void check_named(const std::vector<Spoiled>& cases) {
    for (const Spoiled& each : cases) {
        GgufWriter file = good_file();
        each.spoil(file);
        CAPTURE(each.says);
        CHECK_SAYS(said_of(file.content()), each.says);
    }
}

}  // namespace

TEST_CASE("gguf/header: what is wrong is named") {
    const auto value = [](std::string bytes) {
        return [bytes](GgufWriter& file) { file.add("key", bytes); };
    };
    const std::string deep = W::bytes(uint32_t(9));
    check_named({
        {"found a file of another kind", [](auto& f) { f.magic = "GGML"; }},
        {"of the versions 2 and 3, found 1", [](auto& f) { f.version = 1; }},
        {"of the versions 2 and 3, found 4", [](auto& f) { f.version = 4; }},
        {"big endian", [](auto& f) { f.version = 3u << 24; }},
        {"truncated?", [](auto& f) { f.n_values = UINT64_MAX; }},
        {"truncated?", [](auto& f) { f.n_tensors = UINT64_MAX; }},
        {"the key a.u32 appears twice", [](auto& f) { f.add("a.u32", W::u32(8)); }},
        {"a type of value from 0 to 12, found 13", value(W::bytes(uint32_t(13)))},
        {"a type of value from 0 to 12, found 99", value(W::array(99, 1, "x"))},
        {"truncated?", value(W::bytes(uint32_t(8)) + W::bytes(UINT64_MAX))},
        {"truncated?", value(W::array(4, 1 << 30, ""))},
        {"expected an array within the file", value(W::array(10, UINT64_MAX / 4, ""))},
        {"truncated?", value(W::array(8, UINT64_MAX, ""))},
        {"no deeper arrays", value(deep + deep + W::bytes(uint64_t(1)) + deep +
                                   W::bytes(uint64_t(1)) + deep + W::bytes(uint64_t(1)) + deep +
                                   W::bytes(uint64_t(1)) + deep + W::bytes(uint64_t(1)))},
        {"general.alignment: expected 1 to",
         [](auto& f) { f.add("general.alignment", W::u32(0)); }},
        {"a power of two, found 48", [](auto& f) { f.add("general.alignment", W::u32(48)); }},
        {"general.alignment: expected an integer, found a string",
         [](auto& f) { f.add("general.alignment", W::text("32")); }},
    });
    CHECK_SAYS(said_of("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull");
    CHECK_SAYS(said_of(""), "found a file of another kind");
}

TEST_CASE("gguf/header: what is wrong with a tensor is named") {
    check_named({
        {"tensor one.weight: appears twice",
         [](auto& f) { f.tensor("one.weight", {1}, 0, "1234"); }},
        {"tensor x: expected 1 to 4 dimensions, found 0",
         [](auto& f) { f.tensor("x", {}, 0, ""); }},
        {"tensor x: expected 1 to 4 dimensions, found 5",
         [](auto& f) {
             f.tensor("x", {1, 1, 1, 1, 1}, 0, "");
         }},
        {"tensor x: impossible shape",
         [](auto& f) {
             f.tensor("x", {4, 0}, 0, "");
         }},
        {"tensor x: impossible shape", [](auto& f) { f.tensor("x", {-1}, 0, ""); }},
        {"tensor x: impossible shape",
         [](auto& f) {
             f.tensor("x", {1ll << 40, 1ll << 40}, 0, "");
         }},
        {"tensor x: ends beyond the",
         [](auto& f) {
             f.tensor("x", {1ll << 40, 1ll << 23}, 0, "").offset(0);
         }},
        {"tensor x: ends beyond the", [](auto& f) { f.tensor("x", {16}, 0, "1234").offset(192); }},
        {"tensor x: ends beyond the",
         [](auto& f) { f.tensor("x", {1}, 0, "").offset(UINT64_MAX - 31); }},
        {"overlaps another", [](auto& f) { f.tensor("x", {1}, 0, "1234").offset(0); }},
        {"tensor x: expected an offset that is a multiple of 32, found 161",
         [](auto& f) { f.tensor("x", {1}, 0, "1234").offset(161); }},
        {"tensor x: IQ4_XS is not served; expected F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, "
         "Q2_K, Q3_K, Q4_K, Q5_K, Q6_K: take another file of the model's",
         [](auto& f) { f.tensor("x", {256}, 23, ""); }},
        {"tensor x: type 77 is not served", [](auto& f) { f.tensor("x", {256}, 77, ""); }},
        {"tensor x: expected rows of Q4_K that are a multiple of 256 weights, found 896",
         [](auto& f) {
             f.tensor("x", {256, 896}, 12, "");
         }},
    });
}

TEST_CASE("gguf/header: a value of another type, or beyond its range, is refused with its key") {
    GgufWriter file = good_file();
    file.add("a.bad", W::text("\xFF")).add("a.bads", W::texts({"x", "\xC3"}));
    file.add("a.nan", W::f32(std::numeric_limits<float>::quiet_NaN()));
    const std::string content = file.content();
    const auto header = GgufHeader::parse(content, content.size(), "m.gguf");
    REQUIRE(header);
    const auto says = [](const char* text, const std::function<void()>& read) {
        try {
            read();
            FAIL_CHECK(text);
        } catch (const LoadError& error) {
            CHECK_SAYS(std::string(error.what()), text);
        }
    };
    says("m.gguf: a.u32: expected a string, found uint32", [&] { (void)header->string("a.u32"); });
    says("a.u32: expected 0 to 6, found 7", [&] { (void)header->integer("a.u32", 0, 6); });
    says("a.u64: expected 0 to 6, found 9223372036854775808",
         [&] { (void)header->integer("a.u64", 0, 6); });
    says("a.f32: expected an integer, found float32",
         [&] { (void)header->integer("a.f32", 0, 1); });
    says("a.yes: expected a number, found a boolean", [&] { (void)header->number("a.yes"); });
    says("a.nan: expected a number, found nan", [&] { (void)header->number("a.nan"); });
    says("a.u32: expected a boolean, found uint32", [&] { (void)header->boolean("a.u32"); });
    says("a.ids: expected an array of strings, found an array of int32",
         [&] { (void)header->strings("a.ids"); });
    says("a.texts: expected an array of integers, found an array of a string",
         [&] { (void)header->integers("a.texts", 0, 1); });
    says("a.ids: expected 0 to 3, found -1", [&] { (void)header->integers("a.ids", 0, 3); });
    says("a.bad: expected UTF-8", [&] { (void)header->string("a.bad"); });
    says("a.bads: expected UTF-8, found other bytes in element 1",
         [&] { (void)header->strings("a.bads"); });
}
