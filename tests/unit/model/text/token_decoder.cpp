// Tokens as text, alone and in a stream: what Llama's decoder makes of bytes and of the space that
// encoding puts before a text.

#include "model/text/token_decoder.h"

#include <doctest/doctest.h>
#include <simdjson.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/file.h"
#include "model/text/token_texts.h"
#include "model/text/tokenizer.h"

using namespace qwend;

namespace {

/// Ids 0 to 255 are bytes; then come some words, of which 256 is special.
Tokenizer llama() {
    std::string vocab;
    const char* digits = "0123456789ABCDEF";
    for (int b = 0; b < 256; b++)
        vocab += std::string("\"<0x") + digits[b / 16] + digits[b % 16] +
                 ">\":" + std::to_string(b) + ",";
    return Tokenizer::parse(
        R"({"added_tokens":[{"id":256,"content":"<s>","special":true}],"normalizer":null,)"
        R"("pre_tokenizer":{"type":"Metaspace","replacement":"▁","split":false},)"
        R"("decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},)"
        R"("content":" "},{"type":"ByteFallback"},{"type":"Fuse"},)"
        R"({"type":"Strip","content":" ","start":1,"stop":0}]},)"
        R"("model":{"type":"BPE","byte_fallback":true,"merges":["▁ a","▁ b"],"vocab":{)" +
        vocab + R"("<s>":256,"▁":257,"a":258,"b":259,"▁a":260,"▁b":261}}})");
}

std::string streamed(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool begins) {
    StreamDecoder stream(tokenizer, true, begins);
    std::string text;
    for (const int32_t id : ids) text += stream.push(id) + "|";
    return text + stream.finish();
}

/// A tokenizer of decoders.json, with these of its steps.
Tokenizer golden_decoder(simdjson::dom::object golden, simdjson::dom::array indices) {
    std::string steps;
    for (auto index : indices) {
        const auto step = golden["steps"].at(size_t(index.get_uint64().value())).value();
        steps += (steps.empty() ? "" : ",") + std::string(simdjson::minify(step));
    }
    CAPTURE(steps);
    const std::string rest(simdjson::minify(golden["tokenizer"].value()));
    return Tokenizer::parse(R"({"decoder":{"type":"Sequence","decoders":[)" + steps + "]}," +
                            rest.substr(1));
}

/// As it is decoded at once, and in a stream, whose text comes at the end if no token has one.
void check_text(const Tokenizer& tokenizer, std::span<const int32_t> ids, bool skips,
                simdjson::dom::element expected) {
    std::string_view text;
    if (expected.get(text)) return;  // Hugging Face's own fails
    CHECK(tokenizer.decode(ids, skips) == text);
    StreamDecoder stream(tokenizer, skips, true);
    std::string streamed;
    for (const int32_t id : ids) streamed += stream.push(id);
    if (!tokenizer.textless_by().empty() && tokenizer.textless_by() != "CTC") {
        CHECK(streamed.empty());
        CHECK(stream.held().empty());
    }
    CHECK(streamed + stream.finish() == text);
}

}  // namespace

TEST_CASE("token_decoder: every two steps give the texts that Hugging Face's give") {
    simdjson::dom::parser parser;
    simdjson::dom::object golden;
    REQUIRE(!parser.parse(read_file("tests/golden/decoders.json")).get(golden));
    std::vector<std::vector<int32_t>> rows;
    for (auto row : simdjson::dom::array(golden["ids"]))
        for (rows.emplace_back(); auto id : simdjson::dom::array(row))
            rows.back().push_back(int32_t(id.get_int64().value()));
    for (auto example : simdjson::dom::array(golden["cases"])) {
        const Tokenizer tokenizer = golden_decoder(golden, example["steps"].get_array().value());
        CAPTURE(std::string(simdjson::minify(example["steps"].value())));
        for (size_t i = 0; i < rows.size(); i++) {
            CAPTURE(i);
            check_text(tokenizer, rows[i], false, example["shown"].at(i).value());
        }
        check_text(tokenizer, rows[0], true, example["skipped"].value());
    }
}

TEST_CASE(
    "token_decoder: a text loses the space that encoding puts before it, an answer does not") {
    const Tokenizer tokenizer = llama();
    const auto ids = tokenizer.encode("a b  a");
    CHECK(ids == std::vector<int32_t>{260, 261, 257, 260});
    CHECK(tokenizer.decode(ids, false) == "a b  a");
    CHECK(tokenizer.decode(ids, false, false) == " a b  a");
    CHECK(streamed(tokenizer, ids, true) == "a| b| | a|");
    CHECK(streamed(tokenizer, ids, false) == " a| b| | a|");
    CHECK(tokenizer.decode(tokenizer.encode(" a"), false) == "a");  // as Hugging Face has it
    // What is hidden is no beginning; what is shown is one.
    const std::vector<int32_t> begun = {256, 260};
    CHECK(tokenizer.decode(begun, true) == "a");
    CHECK(tokenizer.decode(begun, false) == "<s> a");
}

TEST_CASE("token_decoder: bytes wait for their character, and each that has none is replaced") {
    const Tokenizer tokenizer = llama();
    CHECK(tokenizer.token_bytes(0xE4) == "\xE4");
    CHECK(streamed(tokenizer, {0xE4, 0xBD, 0xA0, 258}, false) == "||\u4f60|a|");
    CHECK(streamed(tokenizer, {0xE4, 0xBD, 258}, false) == "||\uFFFD\uFFFDa|");
    CHECK(streamed(tokenizer, {0xE4, 0xBD}, false) == "||\uFFFD\uFFFD");
    CHECK(tokenizer.encode("\u4f60") == std::vector<int32_t>{257, 0xE4, 0xBD, 0xA0});
}

TEST_CASE("token_decoder: what ends a word is a space, if another follows") {
    TokenDecoder decoder;
    decoder.add_word_end("</w>");
    TokenTexts texts(std::move(decoder));
    texts.set(3, "ab</w>");
    CHECK(texts.size() == 4);
    CHECK(texts.of(3) == "ab ");
    CHECK(texts.text(3, false).more == " ");
    CHECK(texts.text(3, true).settled == "ab");
    CHECK(texts.of(2).empty());
    CHECK(texts.of(-1).empty());
    const Tokenizer tokenizer = Tokenizer::parse(
        R"({"decoder":{"type":"BPEDecoder","suffix":"</w>"},"model":{"type":"BPE","merges":[],)"
        R"("end_of_word_suffix":"</w>","vocab":{"a":0,"a</w>":1,"b":2}}})");
    CHECK(tokenizer.encode("aba") == std::vector<int32_t>{0, 2, 1});
    CHECK(streamed(tokenizer, {0, 1, 2, 1}, true) == "a|a| b|a|");
}

TEST_CASE("token_decoder: what ends a text may be another altogether") {
    const Tokenizer tokenizer = Tokenizer::parse(
        R"({"decoder":{"type":"Sequence","decoders":[{"type":"BPEDecoder","suffix":"</w>"},)"
        R"({"type":"Replace","pattern":{"String":" "},"content":"__"}]},"model":{"type":"WordLevel",)"
        R"("unk_token":"a","vocab":{"a":0,"a</w>b</w>":1,"</w>":2}}})");
    using Ids = std::vector<int32_t>;
    CHECK(streamed(tokenizer, {1, 0, 1}, true) == "a|__b__a|a|b");
    CHECK(tokenizer.decode(Ids{2}, false).empty());
    StreamDecoder cut(tokenizer, false);
    CHECK(cut.push(1) == "a");
    CHECK(cut.held() == "b");
    CHECK(cut.finish_cut() == "b");
    CHECK(cut.finish_cut().empty());
    const Tokenizer bytes = llama();
    StreamDecoder half(bytes, false);
    CHECK(half.push(258) == "a");
    CHECK(half.push(0xE4).empty());
    CHECK(half.held() == "\uFFFD");
    CHECK(half.finish_cut().empty());  // a character that the end cuts through
}

TEST_CASE("token_decoder: what needs all of a text comes at its end, as one that goes on") {
    const auto with = [](const std::string& steps) {
        return Tokenizer::parse(R"({"decoder":{"type":"Sequence","decoders":[)" + steps +
                                R"(]},"model":{"type":"WordLevel","unk_token":"a","vocab":{"a":0,)"
                                R"("<0x41>":1," a ":2,"_":3}}})");
    };
    const std::string fuse = R"({"type":"Fuse"},)";
    const Tokenizer strip = with(fuse + R"({"type":"Strip","content":" ","start":1,"stop":1})");
    CHECK(strip.textless_by() == "Strip behind Fuse or ByteLevel");
    CHECK(streamed(strip, {2, 0, 2}, true) == "|||a a a");
    CHECK(streamed(strip, {2, 0, 2}, false) == "||| a a a");  // its beginning is the prompt's
    CHECK(strip.token_bytes(2) == " a ");
    const Tokenizer bytes = with(fuse + R"({"type":"ByteFallback"})");
    CHECK(streamed(bytes, {1}, true) == "|A");
    CHECK(streamed(bytes, {1}, false) == "|<0x41>");
    const Tokenizer pieces = with(R"({"type":"ByteFallback"},{"type":"WordPiece","prefix":"##"})");
    CHECK(pieces.textless_by() == "WordPiece behind ByteFallback");
    CHECK(streamed(pieces, {1, 1, 0}, true) == "|||AA a");
    CHECK(streamed(pieces, {1, 1, 0}, false) == "||| AA a");
    const Tokenizer mark = with(fuse + R"({"type":"Metaspace","replacement":"_"})");
    CHECK(streamed(mark, {3, 0, 3, 0}, false) == "||||aa");  // one token, which is the first
    StreamDecoder twice(mark, false);
    CHECK(twice.push(0).empty());
    CHECK(twice.finish() == "a");
    CHECK(twice.finish().empty());
}

TEST_CASE("token_decoder: the first token is another") {
    TokenDecoder words;
    words.add_word_piece("##", true);
    CHECK(words.decode("##a", {}) == "a");
    CHECK(words.decode("a", {}) == " a");
    CHECK(words.decode(".", {}) == ".");
    CHECK(words.decode("##a", {.is_first = true}) == "##a");
    TokenDecoder marks;
    marks.add_metaspace("_", true);
    CHECK(marks.decode("_a_b", {}) == " a b");
    CHECK(marks.decode("_a_b", {.is_first = true}) == "ab");
    TokenDecoder spaces;
    spaces.add_spaces();
    CHECK(spaces.decode("a", {}) == " a");
    CHECK(spaces.decode("a", {.is_first = true}) == "a");
}

TEST_CASE("token_decoder: of a row of the same token one is left") {
    // As Hugging Face's tokenizers decodes these.
    const auto with = [](const std::string& cleanup) {
        return Tokenizer::parse(
            R"({"added_tokens":[{"id":3,"content":"<pad>","special":true}],"decoder":{"type":"CTC",)"
            R"("pad_token":"<pad>","word_delimiter_token":"|","cleanup":)" +
            cleanup +
            R"(},"model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0,"a":1,"|":2,)"
            R"("<pad>":3,"b":4,"<pad>a":5,"a .":6,"":7}}})");
    };
    const Tokenizer tokenizer = with("true"), as_it_is = with("false");
    using Ids = std::vector<int32_t>;
    CHECK(tokenizer.textless_by() == "CTC");
    CHECK(tokenizer.decode(Ids{1, 1, 2, 2, 3, 1}, false) == "a a");
    CHECK(as_it_is.decode(Ids{1, 1, 2, 2, 3, 1}, false) == "a|a");
    CHECK(tokenizer.decode(Ids{1, 3, 1}, false) == "aa");  // what is left out is one between them
    CHECK(tokenizer.decode(Ids{1, 3, 1}, true) == "a");    // unless nobody sees it
    CHECK(tokenizer.decode(Ids{1, 1000, 1}, false) == "a");
    CHECK(tokenizer.decode(Ids{1, 7, 1}, false) == "aa");
    CHECK(tokenizer.decode(Ids{1, 5}, false) == "aa");
    CHECK(tokenizer.decode(Ids{6}, false) == "a.");
    CHECK(as_it_is.decode(Ids{6}, false) == "a .");
    CHECK(streamed(tokenizer, {2, 2, 1, 1, 4, 3, 4}, false) == " ||a||b|||");  // of what is shown
    CHECK(tokenizer.token_bytes(1) == "a");
    CHECK(tokenizer.token_bytes(3).empty());
    CHECK(llama().textless_by().empty());
}

TEST_CASE("token_decoder: tokens are the same by what the steps before have made of them") {
    TokenDecoder decoder;
    decoder.add_replace("x", "", "test");
    decoder.add_ctc("_", "|", true);
    decoder.add_word_piece("##", false);
    TokenTexts texts(std::move(decoder));
    texts.set(0, "a"), texts.set(1, "xa"), texts.set(2, "a_"), texts.set(4, "x_"), texts.set(5, "");
    CHECK(texts.kind(0) == texts.kind(1));
    CHECK(texts.kind(0) != texts.kind(2));
    CHECK(texts.of(2) == " a");
    CHECK(texts.kind(3) == -1);
    CHECK(texts.kind(6) == -1);
    CHECK_FALSE(texts.is_dropped(0));
    CHECK(texts.is_dropped(4));  // and is given no space
    CHECK(texts.of(4).empty());
    CHECK(texts.is_dropped(5));
    TokenTexts plain;
    plain.set(1, "a");
    CHECK(plain.kind(0) == -1);
    CHECK(plain.kind(1) == 0);
    CHECK_FALSE(plain.is_dropped(1));
}

TEST_CASE("token_decoder: a part that is empty is found at every character, as Rust's is") {
    TokenDecoder delimiters, suffixes;
    delimiters.add_ctc("", "", true);
    CHECK(delimiters.decode("a\u00e9", {}) == " a \u00e9 ");
    suffixes.add_word_end("");
    CHECK(suffixes.decode("\u00e9", {}) == " \u00e9 ");
    CHECK(suffixes.decode("\u00e9", {.is_last = true}) == "\u00e9");
    CHECK(suffixes.decode("", {}) == " ");
}

TEST_CASE("token_decoder: a token without text is one all the same") {
    const Tokenizer tokenizer = Tokenizer::parse(
        R"({"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"x"},)"
        R"("content":""},{"type":"Metaspace","replacement":"_"}]},)"
        R"("model":{"type":"WordLevel","unk_token":"x","vocab":{"x":0,"_a":1}}})");
    CHECK(tokenizer.decode(std::vector<int32_t>{0, 1}, false) == " a");  // it was the first
    CHECK(tokenizer.decode(std::vector<int32_t>{9, 1}, false) == "a");   // which nothing can be
}
