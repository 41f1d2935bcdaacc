#include <cstddef>
#include <vector>

#include "model/text/pretokenizer.h"
#include "model/text/regex.h"
#include "model/text/tokenizer_pipeline.h"
#include "model/text/tokenizer_steps.h"

namespace qwend {

namespace {

namespace dom = simdjson::dom;

constexpr std::string_view kName = "pre_tokenizer";

/// What GPT-2's byte-level pre-tokenizer splits by, where it is not told to leave that to others.
constexpr std::string_view kGpt2Regex =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

constexpr std::string_view kPunctuation = R"([\p{P}$+<=>^`|~])", kSpace = R"(\s)";

/// \w as Rust has it, with the joiners that Oniguruma's has not.
constexpr std::string_view kWords = R"([\w\x{200C}\x{200D}]+|[^\w\s\x{200C}\x{200D}]+)";

SplitBehavior read_behavior(const JsonFile& json, dom::object step, SplitBehavior otherwise) {
    if (!find_last(step, "behavior")) return otherwise;
    const std::string_view name = text_at(step, "behavior");
    if (name == "Isolated") return SplitBehavior::isolated;
    if (name == "Removed") return SplitBehavior::removed;
    if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
    if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
    if (name == "Contiguous") return SplitBehavior::contiguous;
    json.fail(
        fmt::format("pre_tokenizer: {}'s behavior: expected Isolated, Removed, MergedWithPrevious, "
                    "MergedWithNext or Contiguous, found \"{}\"",
                    text_at(step, "type"), name));
}

Prepends read_prepends(const JsonFile& json, dom::object step) {
    const std::string_view name = text_at(step, "prepend_scheme");
    if (name == "never" || !flag_at(step, "add_prefix_space", true)) return Prepends::never;
    if (name == "first") return Prepends::first;
    if (name == "always" || !find_last(step, "prepend_scheme")) return Prepends::always;
    json.fail(fmt::format(
        "pre_tokenizer: Metaspace's prepend_scheme: expected always, first or never, found \"{}\"",
        name));
}

void read_metaspace(const JsonFile& json, dom::object step, SplitPatterns& patterns) {
    const std::string mark = character_needed(json, step, kName, "replacement");
    patterns.add_marks(mark, read_prepends(json, step));
    if (flag_at(step, "split", true))
        patterns.add({quote_regex(mark), SplitBehavior::merged_with_next}, json.name());
}

SplitPattern read_split(const JsonFile& json, dom::object step) {
    if (!find_last(step, "behavior")) json.fail("pre_tokenizer: Split: expected a behavior");
    return {read_pattern(json, step, kName), read_behavior(json, step, SplitBehavior::isolated),
            flag_at(step, "invert", false)};
}

/// But for the bytes themselves, which are spelled behind it or left to the model.
void read_byte_level(const JsonFile& json, dom::object step, SplitPatterns& patterns) {
    if (flag_at(step, "add_prefix_space", true)) patterns.add_space();
    if (flag_at(step, "use_regex", true)) patterns.add({std::string(kGpt2Regex)}, json.name());
}

struct Kind {
    std::string_view type;
    void (*add)(const JsonFile& json, dom::object step, SplitPatterns& patterns);
};

constexpr Kind kKinds[] = {
    {"ByteLevel", read_byte_level},
    {"Split", [](const JsonFile& json, dom::object step,
                 SplitPatterns& patterns) { patterns.add(read_split(json, step), json.name()); }},
    {"Digits",
     [](const JsonFile& json, dom::object step, SplitPatterns& patterns) {
         const bool is_each = flag_at(step, "individual_digits", false);
         patterns.add({is_each ? R"(\p{N})" : R"(\p{N}+)"}, json.name());
     }},
    {"Punctuation",
     [](const JsonFile& json, dom::object step, SplitPatterns& patterns) {
         const auto behavior = read_behavior(json, step, SplitBehavior::isolated);
         patterns.add({std::string(kPunctuation), behavior}, json.name());
     }},
    {"Whitespace",
     [](const JsonFile& json, dom::object, SplitPatterns& patterns) {
         patterns.add({std::string(kWords), SplitBehavior::removed, true}, json.name());
     }},
    {"WhitespaceSplit",
     [](const JsonFile& json, dom::object, SplitPatterns& patterns) {
         patterns.add({std::string(kSpace), SplitBehavior::removed}, json.name());
     }},
    {"BertPreTokenizer",
     [](const JsonFile& json, dom::object, SplitPatterns& patterns) {
         patterns.add({std::string(kSpace), SplitBehavior::removed}, json.name());
         patterns.add({std::string(kPunctuation)}, json.name());
     }},
    {"CharDelimiterSplit",
     [](const JsonFile& json, dom::object step, SplitPatterns& patterns) {
         const std::string delimiter = character_needed(json, step, kName, "delimiter");
         patterns.add({quote_regex(delimiter), SplitBehavior::removed}, json.name());
     }},
    {"FixedLength",
     [](const JsonFile& json, dom::object step, SplitPatterns& patterns) {
         const size_t length = count_at(json, step, kName, "length", 1, 5);
         patterns.add({fmt::format("(?m:.{{1,{}}})", length)}, json.name());
     }},
    {"UnicodeScripts",
     [](const JsonFile&, dom::object, SplitPatterns& patterns) { patterns.add_scripts(); }},
    {"Metaspace", read_metaspace},
};

/// Qwen2's own steps, for which there is a matcher.
bool is_qwen(const JsonFile& json, const std::vector<dom::object>& steps) {
    return steps.size() == 2 && text_at(steps[0], "type") == "Split" &&
           text_at(steps[1], "type") == "ByteLevel" &&
           !flag_at(steps[1], "add_prefix_space", true) && !flag_at(steps[1], "use_regex", true) &&
           read_split(json, steps[0]) == SplitPattern{std::string(kQwenPretokenizerRegex)};
}

}  // namespace

PreTokenizer read_pretokenizer(const JsonFile& json, bool takes_bytes) {
    std::vector<dom::object> steps;
    if (const auto element = json.find(kName))
        for_each_step(json, *element, kName, "pretokenizers",
                      [&](dom::object step) { steps.push_back(step); });
    if (takes_bytes && is_qwen(json, steps)) return {};
    PreTokenizer result{.splits = SplitPatterns(), .is_byte_level = false};
    for (size_t i = 0; i < steps.size(); i++) {
        find_kind(json, kName, kKinds, steps[i]).add(json, steps[i], *result.splits);
        if (text_at(steps[i], "type") != "ByteLevel") continue;
        result.is_byte_level = takes_bytes && i + 1 == steps.size();
        if (!result.is_byte_level) result.splits->add_byte_alphabet();
    }
    return result;
}

}  // namespace qwend
