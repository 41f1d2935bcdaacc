// Tokens by tokenizer_config.json and the files beside it. Expected ids are those of transformers.

#include "model/text/configured_tokens.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "model/error.h"
#include "model/json.h"
#include "model/text/tokenizer.h"
#include "tests/unit/demo_tokenizer.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

TEST_CASE("configured_tokens: added tokens as older transformers saved them") {
    TempDir dir;
    for (auto name : {"vocab.json", "merges.txt"})
        std::filesystem::copy_file(std::filesystem::path("tests/demo-model") / name,
                                   dir.path() / name);
    dir.write("added_tokens.json", R"({"<|im_start|>":6059,"<|im_end|>":6060,"<tool_call>":6075})");
    dir.write(
        "special_tokens_map.json",
        R"({"eos_token":{"content":"<|im_end|>","lstrip":false},"additional_special_tokens":["<|im_start|>"]})");
    const Tokenizer tokenizer = Tokenizer::load(dir.path());
    CHECK(tokenizer.encode_with_added_tokens("<|im_start|><tool_call><|im_end|>") ==
          std::vector<int32_t>{6059, 6075, 6060});
    CHECK(tokenizer.is_special(6059));
    CHECK(tokenizer.is_special(6060));
    CHECK_FALSE(tokenizer.is_special(6075));
    dir.write("added_tokens.json", R"({"<|im_start|>":"6059"})");
    CHECK_THROWS_WITH_AS(Tokenizer::load(dir.path()), doctest::Contains("<|im_start|>"), LoadError);
}

TEST_CASE("configured_tokens: tokens that tokenizer_config.json alone has get the next ids") {
    TempDir dir;
    dir.write("tokenizer.json", demo_tokenizer_json());
    const auto first = int32_t(Tokenizer::parse(demo_tokenizer_json()).size());
    dir.write("tokenizer_config.json", R"({"bos_token":"<s>","eos_token":{"content":"<|im_end|>"},)"
                                       R"("unk_token":null,"extra_special_tokens":["<x>","hello"],)"
                                       R"("added_tokens_decoder":{"9000":{"content":"<late>"},)"
                                       R"("8000":{"content":"<early>","special":true}}})");
    const Tokenizer tokenizer = Tokenizer::load(dir.path());
    CHECK(tokenizer.added_token_id("<early>") == first);
    CHECK(tokenizer.added_token_id("<late>") == first + 1);
    CHECK(tokenizer.added_token_id("<s>") == first + 2);
    CHECK(tokenizer.added_token_id("<x>") == first + 3);
    CHECK(tokenizer.is_special(first));
    CHECK_FALSE(tokenizer.is_special(first + 1));
    CHECK(tokenizer.is_special(first + 2));
    // A word of the vocabulary is one token already.
    const auto hello = tokenizer.added_token_id("hello");
    REQUIRE(hello);
    CHECK((*hello < first ? tokenizer.token_bytes(*hello) == "hello" : *hello == first + 4));
    CHECK(tokenizer.size() >= first + 4);
}

TEST_CASE("configured_tokens: special tokens that a prompt spells may stay text") {
    TempDir dir;
    dir.write("tokenizer.json", demo_tokenizer_json());
    auto with = [&](const std::string& fields) {
        dir.write("tokenizer_config.json", R"({"bos_token":"<|im_start|>","eos_token":)"
                                           R"({"content":"<|im_end|>"})" +
                                               fields + "}");
        return Tokenizer::load(dir.path());
    };
    using Ids = std::vector<int32_t>;
    // Special tokens are text where a client spells them, and what they are where a template does.
    const std::string_view text = "<|im_end|><tool_call>";
    const Tokenizer split = with(R"(,"split_special_tokens":true)"), whole = with("");
    const ControlSpan span{0, text.size()};
    const Ids ids = whole.encode_with_added_tokens(text);
    CHECK(ids.size() == 2);
    CHECK(split.encode(text, {&span, 1}) == ids);
    const Ids in_parts = split.encode_with_added_tokens(text);
    CHECK(in_parts.size() > 2);
    CHECK(in_parts.back() == ids.back());  // which is not special
    CHECK(split.decode(in_parts, false) == text);
}

TEST_CASE(
    "configured_tokens: tokenizer_config.json says what is around a prompt if nothing else does") {
    TempDir dir;
    for (auto name : {"vocab.json", "merges.txt"})
        std::filesystem::copy_file(std::filesystem::path("tests/demo-model") / name,
                                   dir.path() / name);
    auto around = [&](const std::string& fields) {
        dir.write("tokenizer_config.json",
                  R"({"bos_token":"hello","eos_token":{"content":"<|im_end|>"},)"
                  R"("added_tokens_decoder":{"6060":{"content":"<|im_end|>","special":true}})" +
                      fields + "}");
        std::vector<int32_t> ids = {7};
        Tokenizer::load(dir.path()).add_special_tokens(ids);
        return ids;
    };
    using Ids = std::vector<int32_t>;
    const int32_t hello = Tokenizer::load("tests/demo-model").encode("hello").at(0);
    CHECK(around("") == Ids{7});
    CHECK(around(R"(,"add_bos_token":true)") == Ids{hello, 7});
    CHECK(around(R"(,"add_bos_token":false,"add_eos_token":true)") == Ids{7, 6060});
    CHECK(around(R"(,"add_bos_token":null)") == Ids{7});
    dir.write("tokenizer.json", demo_tokenizer_json());
    CHECK(around(R"(,"add_bos_token":true)") == Ids{7});
}

TEST_CASE("configured_tokens: a role is what the older file says, else the newer, else a default") {
    const JsonFile config(R"({"eos_token":"<e>","unk_token":null,"image_token":"<i>",)"
                          R"("add_bos_token":true,"pad_token":{"content":"<p>","lstrip":true}})",
                          "config"),
        map(R"({"pad_token":"<q>"})", "map");
    const SpecialTokens::Names otherwise = {
        {"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"sep_token", ""}};
    const auto contents = [](const SpecialTokens& special) {
        std::vector<std::string> all;
        for (const AddedToken& token : special.all()) all.push_back(token.content);
        return all;
    };
    using Contents = std::vector<std::string>;
    CHECK(contents(SpecialTokens(config)) == Contents{"<e>", "<p>", "<i>"});
    CHECK(contents(SpecialTokens(config, &map, otherwise)) == Contents{"<s>", "<e>", "<q>", "<i>"});
    const auto pad = SpecialTokens(config).of("pad_token");
    REQUIRE(pad);
    CHECK((pad->special && pad->lstrip && !pad->rstrip && !pad->normalized));
}

TEST_CASE("configured_tokens: of two lists the newer counts unless it is empty") {
    struct Case {
        const char* fields;
        size_t n;
        bool has_list;
    };
    for (const Case& c : {Case{"{}", 0, false}, Case{R"({"extra_special_tokens":null})", 0, true},
                          Case{R"({"additional_special_tokens":[]})", 0, true},
                          Case{R"({"extra_special_tokens":{"a":"<a>"}})", 1, false},
                          Case{R"({"extra_special_tokens":{"a":"<a>"},)"
                               R"("additional_special_tokens":["<b>"]})",
                               2, false},
                          Case{R"({"extra_special_tokens":["<a>","<b>"],)"
                               R"("additional_special_tokens":["<c>"]})",
                               2, true},
                          Case{R"({"extra_special_tokens":[],)"
                               R"("additional_special_tokens":["<c>"]})",
                               1, true}}) {
        const JsonFile config(c.fields, "config");
        CAPTURE(c.fields);
        CHECK(SpecialTokens(config).all().size() == c.n);
        CHECK(SpecialTokens(config).has_list() == c.has_list);
    }
}
