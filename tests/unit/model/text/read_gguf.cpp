// A GGUF file's tokenizer against the tokenizer.json that it was made from, and what is refused.

#include "model/text/read_gguf.h"

#include <doctest/doctest.h>

#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "model/error.h"
#include "model/json.h"
#include "model/text/chat_template.h"
#include "model/text/tokenizer.h"
#include "model/text/tokenizer_files.h"
#include "tests/unit/checkpoint_files.h"
#include "tests/unit/demo_tokenizer.h"
#include "tests/unit/gguf_writer.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

using W = GgufWriter;

constexpr int kRows = 6144;

/// What a converter writes of the demo model's tokenizer.json.
GgufWriter demo_file() {
    const JsonFile json(demo_tokenizer_json(), "tokenizer.json");
    std::vector<std::string> tokens, merges;
    std::vector<int32_t> types(kRows, 5);
    for (int i = 0; i < kRows; i++) tokens.push_back("[PAD" + std::to_string(i) + "]");
    for (auto [token, id] : json.root()["model"]["vocab"].get_object()) {
        tokens[size_t(id.get_int64().value())] = token;
        types[size_t(id.get_int64().value())] = 1;
    }
    for (auto pair : json.root()["model"]["merges"].get_array())
        merges.push_back(std::string(pair.at(0).get_string().value()) + " " +
                         std::string(pair.at(1).get_string().value()));
    for (auto token : json.root()["added_tokens"].get_array()) {
        const auto id = size_t(token["id"].get_int64().value());
        tokens[id] = token["content"].get_string().value();
        types[id] = token["special"].get_bool().value() || tokens[id].starts_with("<|") ? 3 : 4;
    }
    GgufWriter file;
    file.add("tokenizer.ggml.model", W::text("gpt2")).add("tokenizer.ggml.pre", W::text("qwen2"));
    file.add("tokenizer.ggml.tokens", W::texts(tokens));
    file.add("tokenizer.ggml.token_type", W::i32s(types));
    file.add("tokenizer.ggml.merges", W::texts(merges));
    file.add("tokenizer.ggml.eos_token_id", W::u32(6060));
    file.add("tokenizer.ggml.bos_token_id", W::u32(6058));
    file.add("tokenizer.ggml.padding_token_id", W::u32(6058));
    file.add("tokenizer.ggml.add_bos_token", W::boolean(false));
    return file;
}

/// Pieces of which texts are made that find mistakes.
std::string random_text(std::mt19937& random) {
    static const std::vector<std::string> pieces = {"the",
                                                    " The",
                                                    "don't",
                                                    "I'LL",
                                                    " ",
                                                    "  ",
                                                    "\n",
                                                    "\r\n\r\n",
                                                    "\t",
                                                    "123",
                                                    " 4.5",
                                                    "语言模型",
                                                    "é",
                                                    "e\xCC\x81",
                                                    "\xE1\x84\x80\xE1\x85\xA1",
                                                    "😀",
                                                    "\u00A0",
                                                    "<|im_start|>",
                                                    "<|im_end|>",
                                                    "<|endoftext|>",
                                                    "<tool_call>",
                                                    "</tool_call>",
                                                    "<|fim_prefix|>",
                                                    "<|im",
                                                    "[PAD6100]",
                                                    "...",
                                                    "!?",
                                                    " _x",
                                                    "qwend",
                                                    "http://",
                                                    "\u2028",
                                                    "x\xCC\x88\xCC\xA3",
                                                    "²",
                                                    "\u0001",
                                                    "ß"};
    std::string text;
    for (uint32_t n = random() % 30; n > 0; n--) text += pieces[random() % pieces.size()];
    return text;
}

}  // namespace

TEST_CASE("read_gguf: ids and texts are those of the tokenizer.json") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    TempDir dir;
    const Tokenizer found = Tokenizer::load(dir.write("m.gguf", demo_file().content()), kRows);
    const Tokenizer expected = Tokenizer::parse(demo_tokenizer_json());
    CHECK(found.size() == expected.size());
    CHECK(found.n_left_out() == 0);
    for (int32_t id = 0; id < kRows; id++) {
        CAPTURE(id);
        CHECK(found.token_bytes(id) == expected.token_bytes(id));
        CHECK(found.is_added(id) == expected.is_added(id));
        CHECK(found.is_special(id) == expected.is_special(id));
    }
    for (int round = 0; round < 3000; round++) {
        const std::string text = random_text(random);
        CAPTURE(text);
        const auto ids = found.encode_with_added_tokens(text);
        CHECK(ids == expected.encode_with_added_tokens(text));
        CHECK(found.encode(text) == expected.encode(text));
        CHECK(found.decode(ids, true) == expected.decode(ids, true));
        CHECK(found.decode(ids, false) == expected.decode(ids, false));
        std::vector<int32_t> around = ids;
        found.add_special_tokens(around);
        CHECK(around == ids);
    }
}

TEST_CASE("read_gguf: tokens around a prompt, and those that have a role") {
    TempDir dir;
    GgufWriter file = demo_file();
    file.set("tokenizer.ggml.add_bos_token", W::boolean(true));
    file.add("tokenizer.ggml.add_eos_token", W::boolean(true));
    const auto path = dir.write("m.gguf", file.content());
    std::vector<int32_t> ids = {1, 2};
    Tokenizer::load(path).add_special_tokens(ids);
    CHECK(ids == std::vector<int32_t>{6058, 1, 2, 6060});
    CHECK(load_special_token(path, "eos_token") == "<|im_end|>");
    CHECK(load_special_token(path, "pad_token") == "<|endoftext|>");
    CHECK(!load_special_token(path, "unk_token"));
}

TEST_CASE("read_gguf: chat templates, and the one for tools") {
    TempDir dir;
    GgufWriter file = demo_file();
    CHECK(load_chat_template(dir.write("m.gguf", file.content())).text.empty());
    file.add("tokenizer.chat_template", W::text("{{ bos_token }}one"));
    const ChatTemplate one = load_chat_template(dir.write("m.gguf", file.content()));
    CHECK(one.is_usable());
    CHECK(one.text == "{{ bos_token }}one");
    CHECK(one.special_tokens.at(0) ==
          std::pair<std::string, std::string>("bos_token", "<|endoftext|>"));
    CHECK(!one.tool_use);
    file.add("tokenizer.chat_templates", W::texts({"tool_use", "missing"}));
    file.add("tokenizer.chat_template.tool_use", W::text("tools"));
    const ChatTemplate two = load_chat_template(dir.write("m.gguf", file.content()));
    REQUIRE(two.tool_use);
    CHECK(two.tool_use->text == "tools");
    const auto other = dir.write("other.jinja", "another");
    CHECK(load_chat_template(dir.path() / "m.gguf", other).text == "another");
}

TEST_CASE("read_gguf: what would encode differently is refused") {
    const std::pair<const char*, std::function<void(GgufWriter&)>> cases[] = {
        {"tokenizer.ggml.model: expected gpt2, found llama",
         [](auto& f) { f.set("tokenizer.ggml.model", W::text("llama")); }},
        {"tokenizer.ggml.model: expected gpt2, found none",
         [](auto& f) { f.remove("tokenizer.ggml.model"); }},
        {"tokenizer.ggml.pre: expected qwen2 or deepseek-r1-qwen, found llama-bpe; serve the "
         "folder",
         [](auto& f) { f.set("tokenizer.ggml.pre", W::text("llama-bpe")); }},
        {"expected the key tokenizer.ggml.tokens, found none",
         [](auto& f) { f.remove("tokenizer.ggml.tokens"); }},
        {"expected a type for each of 6144 tokens, found 0",
         [](auto& f) { f.remove("tokenizer.ggml.token_type"); }},
        {"expected a type for each of 6144 tokens, found 1",
         [](auto& f) { f.set("tokenizer.ggml.token_type", W::i32s({1})); }},
        {"tokenizer.ggml.token_type: expected 1 to 6, found 9",
         [](auto& f) {
             f.set("tokenizer.ggml.token_type", W::i32s(std::vector<int32_t>(kRows, 9)));
         }},
        {"normal, control, user-defined or unused, found",
         [](auto& f) {
             f.set("tokenizer.ggml.token_type", W::i32s(std::vector<int32_t>(kRows, 6)));
         }},
        {"expected the key tokenizer.ggml.merges, found none",
         [](auto& f) { f.remove("tokenizer.ggml.merges"); }},
        {"expected \"left right\", found \"ab\"",
         [](auto& f) { f.set("tokenizer.ggml.merges", W::texts({"ab"})); }},
        {"is not in the vocabulary",
         [](auto& f) { f.set("tokenizer.ggml.merges", W::texts({"qq zzqx"})); }},
        {"tokenizer.ggml.bos_token_id: 6100 is no token", [](auto& f) {
             f.set("tokenizer.ggml.bos_token_id", W::u32(6100));
             f.set("tokenizer.ggml.add_bos_token", W::boolean(true));
         }}};
    for (const auto& [says, spoil] : cases) {
        TempDir dir;
        GgufWriter file = demo_file();
        spoil(file);
        try {
            (void)Tokenizer::load(dir.write("m.gguf", file.content()));
            FAIL_CHECK(says);
        } catch (const LoadError& error) {
            CHECK_SAYS(std::string(error.what()), says);
        }
    }
}
