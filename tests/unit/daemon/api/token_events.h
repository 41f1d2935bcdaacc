#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "daemon/engine/sequence.h"
#include "model/file.h"
#include "tests/unit/daemon/api/demo_text.h"

namespace qwend {

// What an engine might say to choices of the demo checkpoint.

inline const ModelText& demo() {
    return *demo_text();
}

/// The demo's tokenizer, were it made by a fine-tune that calls the tags of a call special.
inline const ModelText& with_special_tags() {
    static const ModelText model = [] {
        ModelText made = std::move(*load_demo_text());
        std::string text = read_file("tests/demo-model/tokenizer.json");
        for (const char* tag : {"\"<tool_call>\"", "\"</tool_call>\""}) {
            const size_t at = text.find("\"special\": false", text.find(tag));
            REQUIRE(at != std::string::npos);
            text.replace(at, 16, "\"special\": true ");
        }
        made.tokenizer = Tokenizer::parse(text);
        return made;
    }();
    return model;
}

/// The demo, had its tokenizer no tokens to fill in between.
inline const ModelText& without_fim() {
    static const ModelText model = [] {
        ModelText made = std::move(*load_demo_text());
        std::string text = read_file("tests/demo-model/tokenizer.json");
        for (size_t at = 0; (at = text.find("fim_middle", at)) != std::string::npos;)
            text.replace(at, 10, "other_name");
        made.tokenizer = Tokenizer::parse(text);
        return made;
    }();
    return model;
}

/// The demo, were its template one of those that have a model think.
inline const ModelText& with_reasoning(ToolFormat tools) {
    static const auto make = [](ToolFormat format) {
        ModelText made = std::move(*load_demo_text());
        made.output_format = {ReasoningFormat::think, format};
        return made;
    };
    static const ModelText hermes = make(ToolFormat::hermes);
    static const ModelText coder = make(ToolFormat::qwen3_coder);
    return tools == ToolFormat::hermes ? hermes : coder;
}

inline std::vector<int32_t> ids_of(const std::string& text) {
    return demo().tokenizer.encode_with_added_tokens(text);
}

/// Events that say `text`, token by token, with made-up logprobs; the last has `finish`.
inline std::vector<TokenEvent> events_of(const std::vector<int32_t>& ids, FinishReason finish,
                                         int n_tops = 0) {
    std::vector<TokenEvent> events;
    for (size_t i = 0; i < ids.size(); i++) {
        TokenEvent event;
        event.sampled.token = ids[i];
        event.sampled.logprob = -0.5f - float(i);
        for (int top = 0; top < n_tops; top++)
            event.sampled.top.push_back({(ids[i] + top * 7) % 6000, -0.25f - float(top)});
        if (i == 0) event.n_cached_tokens = 3;
        if (i + 1 == ids.size()) event.finish = finish;
        events.push_back(event);
    }
    return events;
}

/// Events that score the tokens of a prompt after the first, `each` at a time, with made-up
/// numbers.
inline std::vector<TokenEvent> scores_of(const std::vector<int32_t>& prompt, int n_tops,
                                         size_t each = 3) {
    std::vector<TokenEvent> events;
    for (size_t i = 1; i < prompt.size(); i++) {
        if ((i - 1) % each == 0) events.emplace_back();
        ScoredToken score{{prompt[i], -1.5f - float(i), {}}, int(i) + 2};
        for (int top = 0; top < n_tops; top++)
            score.given.top.push_back({(prompt[i] + 1 + top * 7) % 6000, -0.25f - float(top)});
        events.back().scores.push_back(std::move(score));
    }
    return events;
}

using Events = std::vector<std::vector<TokenEvent>>;  // of each choice

/// As Qwen3-Coder writes it.
inline std::string coder_call(const std::string& key, const std::string& value) {
    return "<tool_call>\n<function=f>\n<parameter=" + key + ">\n" + value +
           "\n</parameter>\n</function>\n</tool_call>";
}

inline std::string tool_call(const std::string& arguments) {
    return "<tool_call>\n{\"name\": \"f\", \"arguments\": " + arguments + "}\n</tool_call>";
}

}  // namespace qwend
