#pragma once

#include <string>
#include <string_view>

#include "model/grammar/automaton.h"
#include "model/grammar/schema/schema.h"

namespace qwend::grammar {

/// What a schema allows, text by text.
class SchemaTexts {
  public:
    explicit SchemaTexts(std::string_view schema, bool closed = false)
        : automaton_(compile(schema, closed), {}) {}

    bool accepts(std::string_view text) { return automaton_.accepts(after(text)); }
    /// Whether some text begins like that.
    bool begins(std::string_view text) { return after(text) != Automaton::kDead; }

    /// Which of the texts, as they are, are not taken: "" is what a test hopes for.
    std::string refused(std::initializer_list<std::string_view> texts) {
        std::string out;
        for (const std::string_view text : texts)
            if (!accepts(text)) out += std::string(text) + " ";
        return out;
    }
    std::string accepted(std::initializer_list<std::string_view> texts) {
        std::string out;
        for (const std::string_view text : texts)
            if (accepts(text)) out += std::string(text) + " ";
        return out;
    }

  private:
    StateId after(std::string_view text) {
        StateId state = automaton_.start();
        for (const char byte : text) {
            automaton_.languages().allow_work(Languages::kMaxTokenWork);
            state = automaton_.after(state, uint8_t(byte));
        }
        return state;
    }
    static Grammar compile(std::string_view schema, bool closed) {
        SchemaOptions options;
        options.closed_objects = closed;
        return compile_schema(schema, options);
    }

    Automaton automaton_;
};

/// Why a schema is not served; "" if it is.
inline std::string schema_error(std::string_view schema) {
    try {
        SchemaTexts texts(schema);
    } catch (const GrammarError& error) {
        return error.what();
    }
    return "";
}

}  // namespace qwend::grammar
