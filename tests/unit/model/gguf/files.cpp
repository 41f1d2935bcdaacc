// Which file a path means, models in several files, the names of tensors, and blocks read as
// numbers.

#include "model/gguf/files.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "model/bf16.h"
#include "model/error.h"
#include "model/gguf/names.h"
#include "tests/unit/checkpoint_files.h"
#include "tests/unit/gguf_blocks.h"
#include "tests/unit/gguf_writer.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

using W = GgufWriter;

std::string said_of(const std::function<void()>& work) {
    try {
        work();
    } catch (const LoadError& error) {
        return error.what();
    }
    return "nothing";
}

/// File `number` of a model in `n` files, with a tensor of its own.
GgufWriter part(int number, int n, const std::string& tensor) {
    GgufWriter file;
    file.add("split.no", W::u32(uint32_t(number - 1))).add("split.count", W::u32(uint32_t(n)));
    file.add("split.tensors.count", W::i32(2));
    if (!tensor.empty()) file.tensor(tensor, {1}, 0, "abc" + std::to_string(number));
    return file;
}

}  // namespace

TEST_CASE("gguf/files: names are those of a checkpoint folder, and back") {
    for (auto [gguf, checkpoint] :
         {std::pair{"token_embd.weight", "model.embed_tokens.weight"},
          {"output.weight", "lm_head.weight"},
          {"output_norm.weight", "model.norm.weight"},
          {"blk.0.attn_q.bias", "model.layers.0.self_attn.q_proj.bias"},
          {"blk.27.attn_output.weight", "model.layers.27.self_attn.o_proj.weight"},
          {"blk.3.ffn_norm.weight", "model.layers.3.post_attention_layernorm.weight"},
          {"blk.3.ffn_down", "model.layers.3.mlp.down_proj"}}) {
        CHECK(checkpoint_name(gguf) == checkpoint);
        CHECK(gguf_name(checkpoint) == gguf);
    }
    for (const char* other : {"", "blk.", "blk.1", "blk.1.", "blk.x.attn_q.weight",
                              "rope_freqs.weight", "blk.1.attn_q_norm.weight", "blk.1.attn_q.scale",
                              ".weight", "blk.12345678901.attn_q.weight", "blk.-1.attn_q.weight"})
        CHECK_MESSAGE(checkpoint_name(other).empty(), other);
    CHECK(gguf_name("score.weight") == "score.weight");
}

TEST_CASE("gguf/files: a path means a file, or the only model of a folder") {
    TempDir dir;
    CHECK(find_gguf(dir.path()).empty());
    CHECK(find_gguf(dir.path() / "missing.gguf").empty());
    const auto one = dir.write("one-q8_0.gguf", "x");
    CHECK(find_gguf(one) == one);
    CHECK(find_gguf(dir.path()) == one);
    CHECK(gguf_model_name(one) == "one-q8_0");
    const auto text = dir.write("README.md", "x");
    CHECK(find_gguf(dir.path()) == one);
    dir.write("config.json", "{}");
    CHECK(find_gguf(dir.path()).empty());
    std::filesystem::remove(dir.path() / "config.json");
    std::filesystem::rename(one, dir.path() / "m-00001-of-00002.gguf");
    dir.write("m-00002-of-00002.gguf", "x");
    CHECK(find_gguf(dir.path()) == dir.path() / "m-00001-of-00002.gguf");
    CHECK(gguf_model_name(dir.path() / "m-00001-of-00002.gguf") == "m");
    dir.write("z-q4_k_m.gguf", "x");
    CHECK_SAYS(said_of([&] { (void)find_gguf(dir.path()); }),
               "expected one model, found 2; give --model one of its files, ");
}

TEST_CASE("gguf/files: a model in several files has the tensors of all") {
    TempDir dir;
    const auto first = dir.write("m-00001-of-00003.gguf", part(1, 3, "").content());
    const auto second = dir.write("m-00002-of-00003.gguf", part(2, 3, "output.weight").content());
    const auto third =
        dir.write("m-00003-of-00003.gguf", part(3, 3, "blk.0.attn_q.bias").content());
    const TensorFiles files = open_gguf(first).files;
    for (auto [name, content] :
         {std::pair{"lm_head.weight", "abc2"}, {"model.layers.0.self_attn.q_proj.bias", "abc3"}}) {
        const StoredTensor* tensor = files.find(name);
        REQUIRE(tensor);
        std::string found(4, '\0');
        files.read(*tensor, 0, 4, found.data());
        CHECK(found == content);
    }
    const auto says = [&](const char* what, const std::filesystem::path& file) {
        CHECK_SAYS(said_of([&] { (void)open_gguf(file); }), what);
    };
    says("it is file 2 of 3; expected 1: give --model the first", second);
    dir.write("m-00003-of-00003.gguf", part(3, 4, "blk.0.attn_q.bias").content());
    says("split.count: expected 3 as in the model's first file, found 4", first);
    dir.write("m-00003-of-00003.gguf", part(2, 3, "blk.0.attn_q.bias").content());
    says("it is file 2 of 3; expected 3", first);
    dir.write("m-00003-of-00003.gguf", part(3, 3, "output.weight").content());
    says("tensor output.weight is in another file as well", first);
    dir.write("m-00003-of-00003.gguf", part(3, 3, "").content());
    says("split.tensors.count: expected 2 tensors in all files, found 1", first);
    std::filesystem::remove(third);
    says("expected m-00003-of-00003.gguf beside it, found none", first);
    says("but not called so; expected NAME-00001-of-00003.gguf",
         dir.write("other.gguf", part(1, 3, "").content()));
    GgufWriter unknown;
    unknown.tensor("rope_freqs.weight", {1}, 0, "1234");
    says("tensor rope_freqs.weight: expected those of a Qwen2, found another",
         dir.write("unknown.gguf", unknown.content()));
}

TEST_CASE("gguf/files: a header that is longer than the first read") {
    TempDir dir;
    GgufWriter file;
    file.add("long", W::text(std::string(5 << 20, 'x')));
    file.tensor("output.weight", {1}, 0, "1234");
    CHECK(open_gguf(dir.write("m.gguf", file.content())).header.string("long")->size() == 5 << 20);
}

TEST_CASE("gguf/files: any part of blocks that are read as numbers is that part of all of them") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    TempDir dir;
    for (const BlockTwin& twin : block_twins()) {
        CAPTURE(twin.name);
        const int rows = 40, inputs = 512;
        std::string blocks;
        for (int i = 0; i < rows * inputs / twin.n_weights; i++)
            blocks += twin.random_block(random, 0.05f);
        GgufWriter file;
        file.tensor("token_embd.weight", {rows, inputs}, twin.type, blocks);
        const TensorFiles files = open_gguf(dir.write("m.gguf", file.content())).files;
        const StoredTensor numbers = files.find("model.embed_tokens.weight")->as_numbers();
        CHECK(numbers.dtype == DType::bf16);
        CHECK(numbers.n_bytes == size_t(rows * inputs * 2));
        std::vector<bf16_t> all(size_t(rows * inputs));
        files.read(numbers, 0, numbers.n_bytes, all.data());
        const auto expected = twin.weights_of(blocks);
        int n_wrong = 0;
        for (size_t i = 0; i < all.size(); i++)  // rounded, but for what a f32 has lost before
            n_wrong += std::fabs(bf16_to_float(all[i]) - expected[i]) >
                       std::fabs(expected[i]) * 0x1.01p-8 + 1e-7;
        CHECK(n_wrong == 0);
        for (int round = 0; round < 50; round++) {
            const size_t begin = random() % numbers.n_bytes;
            const size_t n = random() % (numbers.n_bytes - begin + 1);
            std::string some(n, '\0');
            files.read(numbers, begin, n, some.data());
            CHECK(std::memcmp(some.data(), reinterpret_cast<const char*>(all.data()) + begin, n) ==
                  0);
        }
    }
}
