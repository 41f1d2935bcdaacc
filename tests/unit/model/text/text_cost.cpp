// What the worst text costs: a guard against work that grows faster than the text does. The bound
// is a hundred times what an ordinary build takes, since machines and sanitizers differ; work that
// is quadratic takes as much more again.

#include <doctest/doctest.h>
#include <simdjson.h>
#include <time.h>

#include <functional>
#include <random>

#include "model/file.h"
#include "model/text/added_tokens.h"
#include "model/text/stop.h"
#include "model/text/tokenizer.h"
#include "tests/unit/demo_tokenizer.h"

using namespace qwend;

namespace {

constexpr double kMostNsPerByte = 100'000;
constexpr size_t kBytes = 1 << 18;

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

std::string repeat(std::string_view unit, size_t size) {
    std::string out;
    while (out.size() < size) out += unit;
    return out;
}

/// Doubles the text as long as the bound allows, so that a failure is found in a second.
void check_cost(const std::function<void(const std::string&)>& work, std::string_view head,
                std::string_view unit) {
    CAPTURE(head);
    CAPTURE(unit);
    for (size_t size = 1 << 14; size <= kBytes; size *= 4) {
        const std::string text = std::string(head) + repeat(unit, size);
        const double began = cpu_seconds();
        work(text);
        const double ns_per_byte = (cpu_seconds() - began) * 1e9 / double(text.size());
        CAPTURE(size);
        REQUIRE(ns_per_byte < kMostNsPerByte);
    }
}

}  // namespace

namespace {

void check_tokenizer(const Tokenizer& tokenizer) {
    auto work = [&](const std::string& text) {
        (void)tokenizer.encode(text);
        const auto ids = tokenizer.encode_with_added_tokens(text);
        (void)tokenizer.decode(ids, true);
    };
    for (std::string_view unit :
         {"\u0300\u0323", "a\u0323\u0300", "\u1100", "a", "ab", "the", " ", "\n", " \n", "\r\n  ",
          "7", "<", "<|im_start", "</tool_call", "<|im_start|>", "\xE4", "'s", "!", "\u4e2d"})
        for (std::string_view head : {"", "a"}) check_cost(work, head, unit);
}

/// The Precompiled step among the cases.
std::string golden_charsmap(simdjson::dom::object golden) {
    const simdjson::dom::array cases = golden["cases"].get_array().value();
    for (auto example : cases) {
        std::string step(simdjson::minify(example["fields"].value()));
        const size_t at = step.find(R"({"type":"Precompiled")");
        if (at != step.npos) return step.substr(at, step.find('}', at) + 1 - at);
    }
    return {};
}

}  // namespace

TEST_CASE("text cost: encoding and decoding are linear in the worst of texts") {
    check_tokenizer(Tokenizer::load("tests/demo-model"));
}

TEST_CASE("text cost: other models' regexes are linear in it too") {
    const std::string json = read_file("tests/demo-model/tokenizer.json");
    const std::string step = R"("use_regex": false)";
    const size_t at = json.find(step);
    REQUIRE(at != std::string::npos);
    // Qwen's own by the library, and GPT-2's after it.
    check_tokenizer(
        Tokenizer::parse(std::string(json).replace(at, step.size(), R"("use_regex": true)")));
}

TEST_CASE("text cost: the steps that fine-tunes have") {
    std::string json = demo_tokenizer_with(
        "normalizer", R"({"type":"Sequence","normalizers":[{"type":"NFKD"},{"type":"Lowercase"},)"
                      R"({"type":"Replace","pattern":{"String":"a"},"content":"bc"},)"
                      R"({"type":"Replace","pattern":{"Regex":"\\s+$"},"content":""},)"
                      R"({"type":"Strip","strip_left":true,"strip_right":true},)"
                      R"({"type":"NFKC"},{"type":"StripAccents"},{"type":"NFC"}]})");
    const size_t at = json.find(R"("Isolated")"), level = json.find(R"("add_prefix_space": false)");
    REQUIRE((at < level && level != std::string::npos));
    json.replace(level, 25, R"("add_prefix_space": true)");
    for (const char* behavior : {"MergedWithPrevious", "MergedWithNext", "Contiguous", "Removed"})
        check_tokenizer(Tokenizer::parse(std::string(json).replace(at + 1, 8, behavior)));
}

TEST_CASE("text cost: words as long as the text, spelled by characters") {
    simdjson::dom::parser parser;
    simdjson::dom::object golden;
    REQUIRE(!parser.parse(read_file("tests/golden/model_kinds.json")).get(golden));
    const std::string words(simdjson::minify(golden["models"]["llama"].value()));
    const std::string model = R"("model":{"byte_fallback":true,)" + words.substr(1);
    const std::string charsmap(golden_charsmap(golden));
    for (const std::string& fields :
         {std::string(R"("normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend",)"
                      R"("prepend":"\u2581"},{"type":"Replace","pattern":{"String":" "},)"
                      R"("content":"\u2581"}]})"),
          std::string(R"("pre_tokenizer":{"type":"Metaspace","replacement":"\u2581"},)"
                      R"("normalizer":{"type":"BertNormalizer"},)"
                      R"("decoder":{"type":"BPEDecoder","suffix":"a"})"),
          std::string(R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":)"
                      R"("Whitespace"},{"type":"FixedLength","length":9}]},"normalizer":)") +
              charsmap})
        check_tokenizer(Tokenizer::parse("{" + fields + "," + model + "}"));
    const std::string pieces(simdjson::minify(golden["models"]["unigram"].value()));
    check_tokenizer(
        Tokenizer::parse(R"({"model":{"type":"Unigram","unk_id":0,)" + pieces.substr(1) + "}"));
}

TEST_CASE("text cost: words as long as the text, taken apart by the longest token") {
    for (const char* most : {"100", "1000000000000000000"})
        check_tokenizer(Tokenizer::parse(
            R"({"decoder":{"type":"WordPiece","prefix":"##"},"model":{"type":"WordPiece",)"
            R"("unk_token":"u","continuing_subword_prefix":"##","max_input_chars_per_word":)" +
            std::string(most) + R"(,"vocab":{"u":0,"a":1,"##a":2,"##ab":3,"##)" +
            std::string(100, 'a') + R"(b":4,"##b":5,"th":6,"##e":7,"##t":8,"##h":9}}})"));
    check_tokenizer(
        Tokenizer::parse(R"({"decoder":{"type":"CTC","pad_token":"a","word_delimiter_token":"",)"
                         R"("cleanup":true},"model":{"type":"WordLevel","unk_token":"u",)"
                         R"("vocab":{"u":0,"a":1}}})"));
}

TEST_CASE("text cost: decoders that need all of a text") {
    const std::string strip = R"({"type":"Strip","content":"a","start":1000000,"stop":1000000},)";
    for (const char* step : {R"({"type":"Replace","pattern":{"Regex":"\\s+$"},"content":""})",
                             R"({"type":"Replace","pattern":{"Regex":"(a+)+b"},"content":""})",
                             R"({"type":"Replace","pattern":{"String":""},"content":"ab"})",
                             R"({"type":"CTC","pad_token":"a","word_delimiter_token":" "})",
                             R"({"type":"BPEDecoder","suffix":"a"})", R"({"type":"ByteLevel"})"})
        check_tokenizer(Tokenizer::parse(demo_tokenizer_with(
            "decoder",
            R"({"type":"Sequence","decoders":[{"type":"ByteLevel"},)" + strip + step + "]}")));
}

TEST_CASE("text cost: added tokens that begin alike") {
    std::vector<AddedToken> list;
    for (int i = 0; i < 200; i++) {
        AddedToken token;
        token.id = i;
        token.content = std::string(size_t(i) * 10 + 1, 'a') + (i % 2 ? "b" : "");
        list.push_back(token);
        token.content = "b" + token.content;
        list.push_back(token);
    }
    list.erase(list.begin(), list.begin() + 2);  // no "a" by itself
    const AddedTokens tokens(list);
    auto work = [&](const std::string& text) { (void)tokens.find(text); };
    for (std::string_view unit : {"a", "b", "ab", "aaaaaaaaaab", "c"})
        for (std::string_view head : {"", "b"}) check_cost(work, head, unit);
}

TEST_CASE("text cost: stop strings that nearly match") {
    std::vector<std::string> stops;
    for (int i = 0; i < 16; i++) stops.push_back(std::string(size_t(1023 - i), 'a') + "b");
    for (size_t piece : {1, 4, 1000}) {
        auto work = [&](const std::string& text) {
            StopMatcher matcher(stops, false);
            for (size_t at = 0; at < text.size(); at += piece)
                (void)matcher.push(std::string_view(text).substr(at, piece));
        };
        check_cost(work, "", "a");
        check_cost(work, "", repeat("a", 1000) + "c");
    }
}
