// JSON files of checkpoints: what is JSON already stays readable when Python's oddities are
// rewritten, and the rewriting grows nothing by more than two thirds and a little.

#include <simdjson.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/error.h"
#include "model/json.h"

using namespace qwend;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::string standard = standard_json(text);
    if (standard.size() > size + size * 2 / 3 + 4) std::abort();
    if (standard_json(standard) != standard) std::abort();
    simdjson::dom::parser parser;
    const bool is_json = !parser.parse(simdjson::padded_string(text)).error();
    if (is_json && parser.parse(simdjson::padded_string(standard)).error()) std::abort();
    try {
        const JsonFile json(text, "fuzz");
        for (auto [name, value] : json.root()) (void)json.find(name);
        (void)json.number("a", -1e300, 1e300);
        (void)json.integer("b", 0, 1);
    } catch (const LoadError&) {
    }
    return 0;
}
