#include "model/text/tokenizer_steps.h"

#include "model/text/regex.h"
#include "model/utf8.h"

namespace qwend {

namespace dom = simdjson::dom;

std::string_view text_at(dom::object object, std::string_view field) {
    std::string_view value;
    (void)!object.at_key(field).get(value);
    return value;
}

std::string text_needed(const JsonFile& json, dom::object step, std::string_view name,
                        std::string_view field) {
    std::string_view value;
    if (step.at_key(field).get(value))
        json.fail(fmt::format("{}: {}: expected a {}", name, text_at(step, "type"), field));
    return std::string(value);
}

std::string character_needed(const JsonFile& json, dom::object step, std::string_view name,
                             std::string_view field) {
    std::string value = text_needed(json, step, name, field);
    const DecodedChar c = utf8_at(value, 0);
    if (value.empty() || size_t(c.length) != value.size())
        json.fail(fmt::format("{}: {}'s {}: expected a character, found \"{}\"", name,
                              text_at(step, "type"), field, value));
    return value;
}

bool flag_at(dom::object object, std::string_view field, bool otherwise) {
    bool value = otherwise;
    (void)!object.at_key(field).get(value);
    return value;
}

size_t count_at(const JsonFile& json, dom::object step, std::string_view name,
                std::string_view field, size_t low, size_t otherwise) {
    const auto element = find_last(step, field);
    if (!element) return otherwise;
    uint64_t value = 0;
    if (element->get(value) || value < low)
        json.fail(fmt::format("{}: {}'s {}: expected a number from {} on, found {}", name,
                              text_at(step, "type"), field, low, simdjson::minify(*element)));
    return size_t(value);
}

std::string read_pattern(const JsonFile& json, dom::object step, std::string_view name) {
    dom::object pattern;
    if (step.at_key("pattern").get(pattern)) json.fail(fmt::format("{}: expected a pattern", name));
    const std::string_view regex = text_at(pattern, "Regex");
    return regex.empty() ? quote_regex(text_at(pattern, "String")) : std::string(regex);
}

}  // namespace qwend
