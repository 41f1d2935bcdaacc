// tokenizer.json files, and text at what they make: encoding loses no byte.

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "model/error.h"
#include "model/json.h"
#include "model/tokenizer.h"

using namespace qwend;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    try {
        (void)Tokenizer::parse(input);
    } catch (const LoadError&) {
    }
    static const Tokenizer demo = Tokenizer::load("tests/demo-model");
    std::string joined;
    for (int32_t id : demo.encode(input)) joined += demo.token_bytes(id);
    // NFC may change what is valid Unicode; what is not is kept byte for byte.
    bool ascii = true;
    for (char c : input) ascii = ascii && uint8_t(c) < 0x80;
    if (ascii && joined != input) std::abort();
    (void)demo.encode_with_added_tokens(input);
    return 0;
}
