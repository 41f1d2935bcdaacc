#include "daemon/api/form_fields.h"

#include <utility>

namespace qwend {

namespace {

using Kind = OutputForm::Kind;

constexpr size_t kMaxFormBytes = 1 << 20;
constexpr size_t kMaxPatternBytes = 1'000;  // of what may stand between parts of JSON
constexpr std::string_view kAnyJson = "$$ANY$$";
constexpr size_t kMaxChoices = 100'000;

bool set_form(FieldReader& read, const std::string& at, OutputForm made,
              std::optional<OutputForm>& form) {
    if (form)
        return read.fail(
            at, fmt::format("{}: not together with {}, an answer has one form", at, form->field));
    if (made.text.size() > kMaxFormBytes)
        return read.fail(at, fmt::format("{}: expected at most {} bytes", at, kMaxFormBytes));
    made.field = at;
    form = std::move(made);
    return true;
}

bool read_text_form(FieldReader& read, const std::string& at, const JsonValue& value, Kind kind,
                    std::optional<OutputForm>& form) {
    OutputForm made{.kind = kind};
    if (!read.string(at, value, made.text)) return false;
    if (made.text.empty()) return read.expected(at, "a string that is not empty", value);
    return set_form(read, at, std::move(made), form);
}

}  // namespace

void FormLayout::apply_to(std::optional<OutputForm>& form) const {
    if (!form || !form->is_json()) return;
    if (no_space) form->space = OutputForm::Space::none;
    if (!no_space) form->space_pattern = space_pattern;
}

bool asks_for_no_form(const JsonValue& value) {
    std::string text;
    if (value.get(text)) return text.empty();
    return value.is_array() && !(value.elements().begin() != value.elements().end());
}

OutputForm any_json_object(const std::string& field) {
    OutputForm form;
    form.kind = Kind::json_object;
    form.space = OutputForm::Space::flexible;
    form.field = field;
    return form;
}

bool read_schema_form(FieldReader& read, const std::string& at, const JsonValue& value,
                      std::optional<OutputForm>& form) {
    OutputForm made{.kind = Kind::json_schema};
    bool always = false;
    if (value.get(made.text) && made.text == kAnyJson) {
        made.text = R"({"type":["object","array"]})";
        made.space = OutputForm::Space::flexible;
    } else if (!value.is_string()) {
        if (!value.is_object() && !value.get(always))
            return read.expected(at, "a JSON Schema", value);
        made.text = value.raw();
    }
    return set_form(read, at, std::move(made), form);
}

bool read_regex_form(FieldReader& read, const std::string& at, const JsonValue& value,
                     std::optional<OutputForm>& form) {
    return read_text_form(read, at, value, Kind::regex, form);
}

bool read_grammar_form(FieldReader& read, const std::string& at, const JsonValue& value,
                       std::optional<OutputForm>& form) {
    return read_text_form(read, at, value, Kind::grammar, form);
}

bool read_structural_tag(FieldReader& read, const std::string& at, const JsonValue& value,
                         std::optional<OutputForm>& form) {
    OutputForm made{.kind = Kind::structural_tag};
    if (value.get(made.text)) {
        if (made.text.empty()) return read.expected(at, "a string that is not empty", value);
    } else {
        if (!value.is_object()) return read.expected(at, "an object, or one as a string", value);
        made.text = value.raw();
    }
    return set_form(read, at, std::move(made), form);
}

bool read_choice_form(FieldReader& read, const std::string& at, const JsonValue& value,
                      std::optional<OutputForm>& form) {
    size_t n = 0;
    for (const JsonValue& element : value.elements()) {
        if (!element.is_string() || ++n > kMaxChoices)
            return read.expected(fmt::format("{}[{}]", at, n),
                                 fmt::format("at most {} strings", kMaxChoices), element);
    }
    if (n == 0) return read.expected(at, "a list of strings", value);
    return set_form(read, at, {.kind = Kind::choice, .text = std::string(value.raw())}, form);
}

bool read_space_pattern(FieldReader& read, const std::string& at, const JsonValue& value,
                        FormLayout& layout) {
    if (!read.string(at, value, layout.space_pattern)) return false;
    return layout.space_pattern.size() <= kMaxPatternBytes ||
           read.fail(at, fmt::format("{}: expected at most {} bytes", at, kMaxPatternBytes));
}

bool read_response_format(FieldReader& read, const std::string& at, const JsonValue& value,
                          std::optional<OutputForm>& form) {
    std::string type;
    const auto named = value.member("type");
    if (!named || !named->get(type)) return read.expected(at, "an object with a type", value);
    auto schema = value.member("schema");
    std::string schema_at = at + ".schema";
    if (const auto wrapped = value.member("json_schema"); wrapped && wrapped->is_object()) {
        if (const auto inner = wrapped->member("schema")) {
            schema = inner;
            schema_at = at + ".json_schema.schema";
        }
    }
    if (schema && schema->is_null()) schema.reset();
    if (type == "text") return true;
    if (type == "structural_tag") return read_structural_tag(read, at, value, form);
    if (type == "json_object" && !schema) return set_form(read, at, any_json_object(at), form);
    if (type == "json_schema" || type == "json_object") {
        if (!schema) return read.fail(at, fmt::format("{}: json_schema needs a schema", at));
        if (!read_schema_form(read, schema_at, *schema, form)) return false;
        form->field = at;
        return true;
    }
    return read.unsupported(at + ".type", "only text, json_object, json_schema and structural_tag");
}

bool read_structured_outputs(FieldReader& read, const std::string& at, const JsonValue& value,
                             std::optional<OutputForm>& form, FormLayout& layout) {
    if (!value.is_object()) return read.expected(at, "an object", value);
    for (const auto& [name, member] : value.members()) {
        const std::string member_at = at + "." + name;
        if (member.is_null()) continue;
        bool ok = true, flag = false;
        if (name == "json")
            ok = read_schema_form(read, member_at, member, form);
        else if (name == "regex")
            ok = read_regex_form(read, member_at, member, form);
        else if (name == "choice")
            ok = read_choice_form(read, member_at, member, form);
        else if (name == "grammar")
            ok = read_grammar_form(read, member_at, member, form);
        else if (name == "structural_tag")
            ok = read_structural_tag(read, member_at, member, form);
        else if (name == "whitespace_pattern")
            ok = read_space_pattern(read, member_at, member, layout);
        else if (name == "disable_any_whitespace")
            ok = read.boolean(member_at, member, layout.no_space);
        else if (name == "disable_additional_properties")
            ok = read.boolean(member_at, member, flag);  // they are, where a schema is silent
        else if (name == "json_object") {
            ok = read.boolean(member_at, member, flag);
            if (ok && flag) ok = set_form(read, member_at, any_json_object(member_at), form);
        } else if (name != "backend" && name != "disable_fallback" && !asks_for_no_form(member)) {
            ok = read.unsupported(member_at);
        }
        if (!ok) return false;
    }
    return true;
}

}  // namespace qwend
