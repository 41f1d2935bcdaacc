// tokenizer.json files, and text at what they make: encoding loses no byte, a row of tokens decodes
// to the same text in a stream, and no text takes more than so much time a byte. Text at tokenizers
// that spell by characters as well, of every kind among those of tests/golden/model_kinds.json.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/error.h"
#include "model/file.h"
#include "model/json.h"
#include "model/text/normal_forms.h"
#include "model/text/tokenizer.h"
#include "tests/fuzz/cost.h"
#include "tests/unit/model_kinds.h"

using namespace qwend;

namespace {

void check(const Tokenizer& tokenizer, const std::string& text) {
    std::vector<int32_t> ids, marked;
    std::string storage;
    std::string_view normal;
    within_cost("normalize", text.size(),
                [&] { normal = to_normal_form(NormalForm::c, text, storage); });
    within_cost("encode", text.size(), [&] { ids = tokenizer.encode(text); });
    within_cost("encode_with_added_tokens", text.size(),
                [&] { marked = tokenizer.encode_with_added_tokens(text); });
    within_cost("decode", text.size(), [&] { (void)tokenizer.decode(marked, false); });
    std::string joined;
    for (int32_t id : ids) joined += tokenizer.token_bytes(id);
    // What is not UTF-8 is kept byte for byte.
    if (joined != normal) std::abort();
    std::string again;
    if (to_normal_form(NormalForm::c, normal, again) != normal) std::abort();
}

/// The demo's, whose text is taken apart by GPT-2's regex as well: by a library's matcher.
Tokenizer with_gpt2_regex() {
    std::string json = read_file("tests/demo-model/tokenizer.json");
    const std::string step = R"("use_regex": false)";
    return Tokenizer::parse(json.replace(json.find(step), step.size(), R"("use_regex": true)"));
}

std::vector<Tokenizer> golden_kinds() {
    const JsonFile golden(std::filesystem::path("tests/golden/model_kinds.json"));
    const simdjson::dom::array cases = golden.root()["cases"].get_array().value();
    std::vector<Tokenizer> kinds;
    for (auto example : cases)
        kinds.push_back(Tokenizer::parse(tokenizer_json_of(golden.root(), example)));
    return kinds;
}

/// What one of these makes of a text decodes to the same in a stream.
void check_kind(const Tokenizer& tokenizer, const std::string& text) {
    std::vector<int32_t> ids;
    within_cost("encode", text.size(), [&] { ids = tokenizer.encode_with_added_tokens(text); });
    std::string whole, streamed;
    within_cost("decode", text.size(), [&] { whole = tokenizer.decode(ids, false); });
    StreamDecoder stream(tokenizer, false, true);
    for (const int32_t id : ids) streamed += stream.push(id);
    if (streamed + stream.finish() != whole) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    try {
        (void)Tokenizer::parse(input);
    } catch (const LoadError&) {
    }
    static const Tokenizer demo = Tokenizer::load("tests/demo-model"), other = with_gpt2_regex();
    const std::string text = amplified(input);
    check(demo, text);
    if (size % 4 == 0) check(other, text);  // it is the slower one
    static const std::vector<Tokenizer> kinds = golden_kinds();
    if (size % 2 == 0) check_kind(kinds[size / 2 % kinds.size()], text);
    return 0;
}
