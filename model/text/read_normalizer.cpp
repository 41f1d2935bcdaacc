#include "model/text/tokenizer_pipeline.h"
#include "model/text/tokenizer_steps.h"

namespace qwend {

namespace {

namespace dom = simdjson::dom;

constexpr std::string_view kName = "normalizer";

/// As BERT's own code goes about it: marks are taken out where letters become small ones, unless
/// the step says otherwise.
void read_bert(dom::object step, Normalizer& normalizer) {
    if (flag_at(step, "clean_text", true)) normalizer.add_clean_text();
    if (flag_at(step, "handle_chinese_chars", true)) normalizer.add_spaced_ideographs();
    const bool is_lower = flag_at(step, "lowercase", true);
    if (flag_at(step, "strip_accents", is_lower)) {
        normalizer.add_form(NormalForm::d);
        normalizer.add_strip_nonspacing();
    }
    if (is_lower) normalizer.add_lowercase();
}

struct Kind {
    std::string_view type;
    void (*add)(const JsonFile& json, dom::object step, Normalizer& normalizer);
};

constexpr Kind kKinds[] = {
    {"NFC", [](const JsonFile&, dom::object, Normalizer& n) { n.add_form(NormalForm::c); }},
    {"NFD", [](const JsonFile&, dom::object, Normalizer& n) { n.add_form(NormalForm::d); }},
    {"NFKC", [](const JsonFile&, dom::object, Normalizer& n) { n.add_form(NormalForm::kc); }},
    {"NFKD", [](const JsonFile&, dom::object, Normalizer& n) { n.add_form(NormalForm::kd); }},
    {"Lowercase", [](const JsonFile&, dom::object, Normalizer& n) { n.add_lowercase(); }},
    {"StripAccents", [](const JsonFile&, dom::object, Normalizer& n) { n.add_strip_accents(); }},
    {"Strip",
     [](const JsonFile&, dom::object step, Normalizer& n) {
         n.add_strip(flag_at(step, "strip_left", false), flag_at(step, "strip_right", false));
     }},
    {"Prepend", [](const JsonFile&, dom::object step,
                   Normalizer& n) { n.add_prepend(std::string(text_at(step, "prepend"))); }},
    {"Replace",
     [](const JsonFile& json, dom::object step, Normalizer& n) {
         n.add_replace(read_pattern(json, step, kName), std::string(text_at(step, "content")),
                       json.name());
     }},
    {"Nmt", [](const JsonFile&, dom::object, Normalizer& n) { n.add_nmt(); }},
    {"BertNormalizer",
     [](const JsonFile&, dom::object step, Normalizer& n) { read_bert(step, n); }},
    {"ByteLevel", [](const JsonFile&, dom::object, Normalizer& n) { n.add_byte_alphabet(); }},
    {"Precompiled",
     [](const JsonFile& json, dom::object step, Normalizer& n) {
         n.add_charsmap({text_at(step, "precompiled_charsmap"), json.name()});
     }},
};

}  // namespace

Normalizer read_normalizer(const JsonFile& json) {
    Normalizer normalizer;
    if (const auto element = json.find(kName))
        for_each_step(json, *element, kName, "normalizers", [&](dom::object step) {
            find_kind(json, kName, kKinds, step).add(json, step, normalizer);
        });
    return normalizer;
}

}  // namespace qwend
