#include "model/text/tokenizer_pipeline.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "model/text/pretokenizer.h"
#include "model/text/regex.h"

namespace qwend {

namespace {

namespace dom = simdjson::dom;

/// What GPT-2's byte-level pre-tokenizer splits by, where it is not told to leave that to others.
constexpr std::string_view kGpt2Regex =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

bool flag_at(dom::object object, std::string_view field, bool otherwise) {
    bool value = otherwise;
    (void)!object.at_key(field).get(value);
    return value;
}

/// Calls `take(step)` for what is at `name`: an object, or a Sequence of them in its field `list`,
/// of which each may be one again.
template <class Take>
void for_each_step(const JsonFile& json, dom::element element, std::string_view name,
                   std::string_view list, const Take& take) {
    dom::object step;
    dom::array steps;
    if (element.get(step)) json.fail(fmt::format("{}: expected an object", name));
    if (text_at(step, "type") != "Sequence") return take(step);
    if (step.at_key(list).get(steps)) json.fail(fmt::format("{}: expected {}", name, list));
    for (dom::element inner : steps) for_each_step(json, inner, name, list, take);
}

/// The regex of a step's pattern, or of text that is no regex.
std::string read_pattern(const JsonFile& json, dom::object step, std::string_view name) {
    dom::object pattern;
    if (step.at_key("pattern").get(pattern)) json.fail(fmt::format("{}: expected a pattern", name));
    const std::string_view regex = text_at(pattern, "Regex");
    return regex.empty() ? quote_regex(text_at(pattern, "String")) : std::string(regex);
}

SplitBehavior read_behavior(const JsonFile& json, dom::object step) {
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

/// A step before ByteLevel.
SplitPattern read_split(const JsonFile& json, dom::object step) {
    const std::string_view type = text_at(step, "type");
    if (type == "Digits")
        return {flag_at(step, "individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)"};
    if (type == "Punctuation") return {R"([\p{P}$+<=>^`|~])", read_behavior(json, step)};
    if (type == "WhitespaceSplit") return {R"(\s)", SplitBehavior::removed};
    if (type == "Split")
        return {read_pattern(json, step, "pre_tokenizer"), read_behavior(json, step),
                flag_at(step, "invert", false)};
    if (type == "ByteLevel") json.fail("pre_tokenizer: expected ByteLevel last, and no other");
    json.fail(fmt::format(
        "pre_tokenizer: expected Split, Digits, Punctuation, WhitespaceSplit or ByteLevel, found "
        "\"{}\"",
        type));
}

void read_normalizer_step(const JsonFile& json, dom::object step, Normalizer& normalizer) {
    const std::string_view type = text_at(step, "type");
    if (type == "NFC") return normalizer.add_form(NormalForm::c);
    if (type == "NFD") return normalizer.add_form(NormalForm::d);
    if (type == "NFKC") return normalizer.add_form(NormalForm::kc);
    if (type == "NFKD") return normalizer.add_form(NormalForm::kd);
    if (type == "Lowercase") return normalizer.add_lowercase();
    if (type == "StripAccents") return normalizer.add_strip_accents();
    if (type == "Strip")
        return normalizer.add_strip(flag_at(step, "strip_left", false),
                                    flag_at(step, "strip_right", false));
    if (type == "Prepend") return normalizer.add_prepend(std::string(text_at(step, "prepend")));
    if (type == "Replace")
        return normalizer.add_replace(read_pattern(json, step, "normalizer"),
                                      std::string(text_at(step, "content")), json.name());
    json.fail(fmt::format(
        "normalizer: expected NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend or "
        "Replace, found \"{}\"",
        type));
}

void add_id(const JsonFile& json, dom::element value, std::string_view name,
            std::vector<int32_t>& ids) {
    int64_t id = -1;
    if (value.get(id) || id < 0 || id > kMaxTokenId)
        json.fail(fmt::format("post_processor: expected token ids of \"{}\"", name));
    ids.push_back(int32_t(id));
}

/// The special tokens that a TemplateProcessing puts before and after one text.
void read_template(const JsonFile& json, dom::object processor, TokensAround& around) {
    dom::array pieces;
    dom::object known;
    if (processor.at_key("single").get(pieces) || processor.at_key("special_tokens").get(known))
        json.fail("post_processor: expected single and special_tokens");
    bool is_behind = false;
    for (auto element : pieces) {
        dom::object piece, special, described;
        dom::array ids;
        if (element.get(piece)) json.fail("post_processor.single: expected objects");
        if (piece.at_key("SpecialToken").get(special)) {
            is_behind = true;  // the text itself
            continue;
        }
        const std::string_view name = text_at(special, "id");
        if (known.at_key(name).get(described) || described.at_key("ids").get(ids))
            json.fail(fmt::format("post_processor: expected ids of \"{}\"", name));
        for (auto value : ids) add_id(json, value, name, is_behind ? around.suffix : around.prefix);
    }
}

/// BERT's and RoBERTa's: [cls] text [sep].
void read_cls_sep(const JsonFile& json, dom::object processor, TokensAround& around) {
    for (const char* role : {"cls", "sep"}) {
        dom::array token;  // a name and an id
        if (processor.at_key(role).get(token) || token.size() != 2)
            json.fail(fmt::format("post_processor: expected a token and its id as \"{}\"", role));
        const bool is_sep = std::string_view(role) == "sep";
        add_id(json, token.at(1), role, is_sep ? around.suffix : around.prefix);
    }
}

void read_post_processor_step(const JsonFile& json, dom::object processor, TokensAround& around) {
    const std::string_view type = text_at(processor, "type");
    if (type == "ByteLevel") return;  // it moves offsets alone
    if (type == "TemplateProcessing") return read_template(json, processor, around);
    if (type == "BertProcessing" || type == "RobertaProcessing")
        return read_cls_sep(json, processor, around);
    json.fail(
        fmt::format("post_processor: expected ByteLevel, TemplateProcessing, BertProcessing or "
                    "RobertaProcessing, or a Sequence of them, found \"{}\"",
                    type));
}

}  // namespace

std::string_view text_at(dom::object object, std::string_view field) {
    std::string_view value;
    (void)!object.at_key(field).get(value);
    return value;
}

Normalizer read_normalizer(const JsonFile& json) {
    Normalizer normalizer;
    if (const auto element = json.find("normalizer"))
        for_each_step(json, *element, "normalizer", "normalizers",
                      [&](dom::object step) { read_normalizer_step(json, step, normalizer); });
    return normalizer;
}

std::optional<SplitPatterns> read_pretokenizer(const JsonFile& json) {
    std::vector<dom::object> steps;
    const auto element = json.find("pre_tokenizer");
    if (!element) json.fail("pre_tokenizer: expected an object");
    for_each_step(json, *element, "pre_tokenizer", "pretokenizers",
                  [&](dom::object step) { steps.push_back(step); });
    if (steps.empty() || text_at(steps.back(), "type") != "ByteLevel")
        json.fail("pre_tokenizer: expected ByteLevel last");
    const dom::object last = steps.back();
    steps.pop_back();
    std::vector<SplitPattern> splits;
    for (const dom::object& step : steps) splits.push_back(read_split(json, step));
    const bool adds_space = flag_at(last, "add_prefix_space", true),
               splits_last = flag_at(last, "use_regex", true);
    if (!adds_space && !splits_last &&
        splits == std::vector<SplitPattern>{{std::string(kQwenPretokenizerRegex)}})
        return std::nullopt;
    SplitPatterns patterns;
    for (const SplitPattern& split : splits) patterns.add(split, json.name());
    if (adds_space) patterns.add_space();
    if (splits_last) patterns.add({std::string(kGpt2Regex)}, json.name());
    return patterns;
}

TokensAround read_post_processor(const JsonFile& json) {
    TokensAround all;
    auto read = [&](dom::object step) {
        TokensAround around;  // what the steps before have made of the text
        read_post_processor_step(json, step, around);
        all.prefix.insert(all.prefix.begin(), around.prefix.begin(), around.prefix.end());
        all.suffix.insert(all.suffix.end(), around.suffix.begin(), around.suffix.end());
    };
    if (const auto element = json.find("post_processor"))
        for_each_step(json, *element, "post_processor", "processors", read);
    return all;
}

}  // namespace qwend
