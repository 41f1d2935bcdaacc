// tokenizer.json files, and text at what they make: encoding loses no byte, a row of tokens decodes
// to the same text in a stream, and no text takes more than so much time a byte.

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "model/error.h"
#include "model/json.h"
#include "model/text/nfc.h"
#include "model/text/tokenizer.h"
#include "tests/fuzz/cost.h"

using namespace qwend;

namespace {

void check(const Tokenizer& tokenizer, const std::string& text) {
    std::vector<int32_t> ids, marked;
    std::string storage;
    std::string_view normal;
    within_cost("normalize", text.size(), [&] { normal = normalize_nfc(text, storage); });
    within_cost("encode", text.size(), [&] { ids = tokenizer.encode(text); });
    within_cost("encode_with_added_tokens", text.size(),
                [&] { marked = tokenizer.encode_with_added_tokens(text); });
    within_cost("decode", text.size(), [&] { (void)tokenizer.decode(marked, false); });
    std::string joined;
    for (int32_t id : ids) joined += tokenizer.token_bytes(id);
    // What is not UTF-8 is kept byte for byte.
    if (joined != normal) std::abort();
    std::string again;
    if (normalize_nfc(normal, again) != normal) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    try {
        (void)Tokenizer::parse(input);
    } catch (const LoadError&) {
    }
    static const Tokenizer demo = Tokenizer::load("tests/demo-model");
    check(demo, amplified(input));
    return 0;
}
