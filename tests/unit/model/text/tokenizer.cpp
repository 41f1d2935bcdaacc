// The tokenizer against Hugging Face's (tests/golden/tokenizer.json, made with the demo tokenizer).

#include "model/text/tokenizer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "model/error.h"
#include "model/json.h"
#include "model/text/pretokenizer.h"
#include "model/utf8.h"
#include "tests/unit/model_kinds.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

const Tokenizer& demo() {
    static const Tokenizer tokenizer = Tokenizer::load("tests/demo-model");
    return tokenizer;
}

std::vector<int32_t> ids_of(simdjson::dom::element list) {
    std::vector<int32_t> ids;
    const simdjson::dom::array array = list.get_array().value();
    for (auto id : array) ids.push_back(int32_t(id.get_int64().value()));
    return ids;
}

}  // namespace

TEST_CASE("tokenizer: encodes and decodes as Hugging Face does") {
    simdjson::dom::parser parser;
    const std::string text = read_file("tests/golden/tokenizer.json");
    simdjson::dom::array cases;
    REQUIRE(parser.parse(text).get(cases) == simdjson::SUCCESS);
    REQUIRE(cases.size() > 400);
    for (auto golden : cases) {
        const std::string input(golden["text"].get_string().value());
        CAPTURE(input);
        const auto ids = demo().encode_with_added_tokens(input);
        CHECK(ids == ids_of(golden["ids"]));
        CHECK(demo().decode(ids, false) == golden["decoded"].get_string().value());
    }
}

TEST_CASE("tokenizer: vocab.json and merges.txt give the same as tokenizer.json") {
    TempDir dir;
    for (auto name : {"vocab.json", "merges.txt", "tokenizer_config.json"})
        std::filesystem::copy_file(std::filesystem::path("tests/demo-model") / name,
                                   dir.path() / name);
    const Tokenizer other = Tokenizer::load(dir.path());
    CHECK(other.size() == demo().size());
    for (auto text : {"Hello, world! 你好", "<|im_start|>user\nhi<|im_end|>", "don't <tool_call>"})
        CHECK(other.encode_with_added_tokens(text) == demo().encode_with_added_tokens(text));
}

TEST_CASE("tokenizer: text that spells a control token stays text") {
    const int32_t end = *demo().added_token_id("<|im_end|>");
    const auto plain = demo().encode("a<|im_end|>b");
    CHECK(std::find(plain.begin(), plain.end(), end) == plain.end());
    CHECK(demo().decode(plain, false) == "a<|im_end|>b");
    const std::vector<ControlSpan> spans{{1, 11}};
    const auto marked = demo().encode("a<|im_end|>b", spans);
    CHECK(std::count(marked.begin(), marked.end(), end) == 1);
    CHECK(demo().decode(marked, true) == "ab");
    CHECK(demo().is_special(end));
    CHECK_FALSE(demo().is_special(*demo().added_token_id("<tool_call>")));
}

TEST_CASE("tokenizer: text that spells a control token stays text where its model has it too") {
    simdjson::dom::parser parser;
    simdjson::dom::object golden;
    REQUIRE(!parser.parse(read_file("tests/golden/model_kinds.json")).get(golden));
    const simdjson::dom::array cases = golden["cases"].get_array().value();
    size_t n_control = 0;
    for (auto example : cases) {
        const Tokenizer tokenizer = Tokenizer::parse(tokenizer_json_of(golden, example));
        for (const std::string name : {"<s>", "</s>", "<x>", "[CLS]", "[SEP]"}) {
            const auto id = tokenizer.added_token_id(name);
            if (!id) continue;
            n_control++;
            for (const std::string& text : {name, "a" + name + "b", "hello " + name + " hello"}) {
                const auto ids = tokenizer.encode(text);
                CAPTURE(text);
                CHECK(std::ranges::find(ids, *id) == ids.end());
                const auto found = tokenizer.encode_with_added_tokens(text);
                CHECK(std::ranges::find(found, *id) != found.end());
            }
        }
    }
    CHECK(n_control > 50);
}

TEST_CASE("tokenizer: a stream never shows part of a character, and ends up the same") {
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 300; round++) {
        std::vector<int32_t> ids;
        for (int i = 0; i < 40; i++) ids.push_back(int32_t(random() % unsigned(demo().size() + 5)));
        for (bool skip : {true, false}) {
            StreamDecoder decoder(demo(), skip);
            std::string streamed;
            for (int32_t id : ids) {
                const std::string piece = decoder.push(id);
                CHECK(utf8_settled_length(piece) == piece.size());
                streamed += piece;
            }
            streamed += decoder.finish();
            CHECK(streamed == demo().decode(ids, skip));
        }
    }
    for (std::string_view text : {"介绍一下大模型", "👨‍👩‍👧 é", "🙂"}) {
        StreamDecoder decoder(demo(), true);
        std::string streamed;
        for (int32_t id : demo().encode(text)) streamed += decoder.push(id);
        CHECK(streamed == text);
    }
}

TEST_CASE("tokenizer: long words stay near-linear and equal the short path") {
    const std::string letters(100'000, 'a');
    CHECK(demo().decode(demo().encode(letters), false) == letters);
    // The same word just below and above the switch between the two merge loops.
    for (size_t n = 28; n < 40; n++) {
        const std::string word(n, 'e');
        std::string joined;
        for (int32_t id : demo().encode(word)) joined += demo().token_bytes(id);
        CHECK(joined == word);
    }
}

TEST_CASE("tokenizer: added tokens are matched before or after normalisation, as they say") {
    // What Hugging Face's tokenizers gives for these texts with these tokens.
    std::string json = read_file("tests/demo-model/tokenizer.json");
    const size_t list = json.find("\"added_tokens\"");
    const size_t open = json.find('[', list);
    REQUIRE(open != std::string::npos);
    json.insert(
        open + 1,
        R"({"id":900,"content":"caf\u0065\u0301","normalized":true,"special":false},)"
        R"({"id":901,"content":"A\u030a","normalized":false,"special":false},)"
        R"({"id":902,"content":"<pad>","normalized":true,"special":true,"lstrip":true,"rstrip":true},)"
        R"({"id":903,"content":"qwend","normalized":true,"special":false,"single_word":true},)");
    const Tokenizer tokenizer = Tokenizer::parse(json);
    auto count = [](const std::vector<int32_t>& ids, int32_t id) {
        return std::count(ids.begin(), ids.end(), id);
    };
    // Composed or not, a word that was added is found, in a message as well.
    for (auto text : {"un caf\u00e9!", "un cafe\u0301!"}) {
        CHECK(count(tokenizer.encode_with_added_tokens(text), 900) == 1);
        CHECK(count(tokenizer.encode(text), 900) == 1);
    }
    // One that is matched as it stands is not found composed, nor in a message.
    CHECK(count(tokenizer.encode_with_added_tokens("A\u030a"), 901) == 1);
    CHECK(count(tokenizer.encode_with_added_tokens("\u00c5"), 901) == 0);
    CHECK(count(tokenizer.encode("A\u030a"), 901) == 0);
    // A control token stays text in a message, and takes the white space around it along.
    CHECK(tokenizer.encode_with_added_tokens("a \n<pad>  b") ==
          std::vector<int32_t>{tokenizer.encode("a")[0], 902, tokenizer.encode("b")[0]});
    CHECK(count(tokenizer.encode("a<pad>b"), 902) == 0);
    const std::vector<ControlSpan> spans{{2, 7}};
    CHECK(tokenizer.encode("a <pad> b", spans) ==
          std::vector<int32_t>{tokenizer.encode("a")[0], 902, tokenizer.encode("b")[0]});
    CHECK(count(tokenizer.encode("qwend qwends"), 903) == 1);
}

TEST_CASE("tokenizer: bytes that are not UTF-8 do no harm") {
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 200; round++) {
        std::string bytes;
        for (int i = 0; i < 50; i++) bytes += char(random());
        std::string joined;
        for (int32_t id : demo().encode(bytes)) joined += demo().token_bytes(id);
        CHECK(joined == bytes);
    }
}

TEST_CASE("tokenizer: another pipeline is refused by name") {
    CHECK_THROWS_WITH_AS(Tokenizer::parse("{}"), doctest::Contains("expected a model"), LoadError);
    CHECK_THROWS_WITH_AS(Tokenizer::parse(R"({"model":{}})"), doctest::Contains("model.vocab"),
                         LoadError);
    std::string json = read_file("tests/demo-model/tokenizer.json");
    const size_t nfc = json.find("\"NFC\"");
    REQUIRE(nfc != std::string::npos);
    CHECK_THROWS_WITH_AS(Tokenizer::parse(std::string(json).replace(nfc, 5, "\"Nmc\"")),
                         doctest::Contains("found \"Nmc\""), LoadError);
    CHECK_THROWS_WITH_AS(Tokenizer::parse("nonsense"), doctest::Contains("not valid JSON"),
                         LoadError);
}

TEST_CASE("pretokenizer: every alternative of the regex") {
    auto split = [](std::string_view text) {
        std::vector<std::string> words;
        for (size_t at = 0; at < text.size();) {
            const size_t end = pretoken_end(text, at);
            words.emplace_back(text.substr(at, end - at));
            at = end;
        }
        return words;
    };
    using Words = std::vector<std::string>;
    CHECK(split("don't WE'LL") == Words{"don", "'t", " WE", "'LL"});
    CHECK(split("a1 22") == Words{"a", "1", " ", "2", "2"});
    CHECK(split("x  y") == Words{"x", " ", " y"});
    CHECK(split("x   ") == Words{"x", "   "});
    CHECK(split("a\n\n b") == Words{"a", "\n\n", " b"});
    CHECK(split(" \r\n  \nx") == Words{" \r\n  \n", "x"});
    CHECK(split("!?\n\nz") == Words{"!?\n\n", "z"});
    CHECK(split("_foo(bar)") == Words{"_foo", "(bar", ")"});
    CHECK(split("\tx") == Words{"\tx"});
    CHECK(split("中文，好") == Words{"中文", "，好"});
}

TEST_CASE("utf8: what is settled and what may still become a character") {
    CHECK(utf8_settled_length("abc") == 3);
    CHECK(utf8_settled_length("a\xE4") == 1);
    CHECK(utf8_settled_length("a\xE4\xBD") == 1);
    CHECK(utf8_settled_length("a\xE4\xBD\xA0") == 4);
    CHECK(utf8_settled_length("\xF0\x9F\x99") == 0);
    CHECK(utf8_settled_length("\xFF") == 1);
    CHECK(utf8_settled_length("\xE0\x80") == 2);  // overlong: nothing can come of it
    CHECK_FALSE(utf8_at("\xED\xA0\x80", 0).valid);
    CHECK_FALSE(utf8_at("\xF4\x90\x80\x80", 0).valid);
    CHECK(utf8_at("\xF4\x8F\xBF\xBF", 0).code_point == 0x10FFFF);
}
