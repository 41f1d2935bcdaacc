// JSON Schemas and structural tags: whatever the bytes, there is a grammar within its bounds or an
// error; and what it accepts, byte by byte as what is behind the first line chooses, can be gone on
// with until it is complete.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "model/grammar/automaton.h"
#include "model/grammar/schema/schema.h"
#include "model/grammar/tools/structural_tag.h"
#include "model/json_document.h"
#include "tests/fuzz/cost.h"

using namespace qwend;
using namespace qwend::grammar;

namespace {

/// Bytes of the input choose among those that may come.
void walk(Automaton& automaton, std::string_view choices, bool is_json) {
    StateId state = automaton.start();
    std::string text;
    for (size_t i = 0; i < 300; i++) {
        automaton.languages().allow_work(Languages::kMaxTokenWork);
        if (is_json && automaton.accepts(state)) {
            JsonDocument document;
            if (document.parse(text)) std::abort();  // what is complete is JSON
        }
        const int first = choices.empty() ? 0 : uint8_t(choices[i % choices.size()]);
        StateId next = Automaton::kDead;
        for (int n = 0; n < 256 && next == Automaton::kDead; n++) {
            const auto byte = uint8_t(first + n);
            next = automaton.after(state, byte);
            if (next != Automaton::kDead) text += char(byte);
        }
        if (next == Automaton::kDead) {
            if (!automaton.accepts(state)) std::abort();  // there is always a way on
            return;
        }
        state = next;
    }
}

template <typename Compile>
void try_form(const Compile& compile, std::string_view choices, bool is_json) {
    try {
        Automaton automaton(compile(), {});
        walk(automaton, choices, is_json);
    } catch (const GrammarError& error) {
        if (std::string_view(error.what()).size() > 2000) std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const size_t split = std::min(input.find('\n'), input.size());
    const std::string schema = amplified(input.substr(0, split), 1u << 16);
    const std::string_view choices = input.substr(split);
    SchemaOptions options;
    options.whitespace = Whitespace(size % 3);
    options.closed_objects = size % 2;
    options.max_work = 20'000;
    try_form([&] { return compile_schema(schema, options); }, choices, true);
    try_form(
        [&] {
            return compile_structural_tag(schema, options, {{"<call>", "\xFF\xFE"}});
        },
        choices, false);
    return 0;
}
