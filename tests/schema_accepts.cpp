// Asks a schema's automaton about texts: reads {"schema": TEXT, "texts": [TEXT…], "closed": BOOL} a
// line and answers each with {"accepts": [BOOL…], "read": [how many bytes a text may begin with]}
// or
// {"error": TEXT}, and the seconds it took to compile.

#include <fmt/core.h>

#include <chrono>
#include <iostream>
#include <string>

#include "model/grammar/automaton.h"
#include "model/grammar/schema/schema.h"
#include "model/grammar/spelling.h"
#include "model/json_document.h"

using namespace qwend;

namespace {

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

std::string answer(const JsonValue& question) {
    std::string schema, out, died;
    question.member("schema")->get(schema);
    grammar::SchemaOptions options;
    if (const auto closed = question.member("closed")) closed->get(options.closed_objects);
    const double began = now();
    try {
        grammar::Automaton automaton(grammar::compile_schema(schema, options), {});
        const double seconds = now() - began;
        for (const JsonValue& value : question.member("texts")->elements()) {
            std::string text;
            value.get(text);
            auto state = automaton.start();
            size_t n_read = 0;  // that a text may begin with
            for (const char byte : text) {
                automaton.languages().allow_work(grammar::Languages::kMaxTokenWork);
                state = automaton.after(state, uint8_t(byte));
                if (state == automaton.kDead) break;
                n_read++;
            }
            out +=
                (out.empty() ? "" : ",") + std::string(automaton.accepts(state) ? "true" : "false");
            died += fmt::format("{}{}", died.empty() ? "" : ",", n_read);
        }
        return fmt::format(R"({{"accepts":[{}],"read":[{}],"seconds":{:.6f},"bytes":{}}})", out,
                           died, seconds, automaton.n_bytes());
    } catch (const grammar::GrammarError& error) {
        return fmt::format(R"({{"error":"{}","seconds":{:.6f}}})", grammar::json_body(error.what()),
                           now() - began);
    }
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        JsonDocument document;
        if (document.parse(line)) return 1;
        std::cout << answer(document.root()) << std::endl;
    }
}
