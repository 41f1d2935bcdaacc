// tokenizer.json files, and text at what they make: encoding loses no byte, a row of tokens decodes
// to the same text in a stream, and no text takes more than so much time a byte.

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "model/error.h"
#include "model/file.h"
#include "model/json.h"
#include "model/text/normal_forms.h"
#include "model/text/tokenizer.h"
#include "tests/fuzz/cost.h"

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
    return 0;
}
