#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/api/field_reader.h"
#include "daemon/api/output_form.h"

namespace qwend {

/// The many names under which clients ask for the form of an answer. Each reads the value at `at`
/// into `form`; a request has one at most. As FieldReader's functions they return false once there
/// is an error.

/// What a request says of the layout of JSON, wherever it says of which JSON.
struct FormLayout {
    bool no_space = false;
    std::string space_pattern;  // a regular expression; "": nothing is said

    void apply_to(std::optional<OutputForm>& form) const;
};

/// Of a request's field: "" and [], as clients send what was left empty.
bool asks_for_no_form(const JsonValue& value);

/// OpenAI's {"type":"text"|"json_object"|"json_schema"} with a schema in `json_schema` or, as
/// llama.cpp and OpenAI's Responses have it, beside the type; vLLM's and SGLang's structural_tag.
bool read_response_format(FieldReader& read, const std::string& at, const JsonValue& value,
                          std::optional<OutputForm>& form);
/// vLLM's {"json":…} or regex, choice, grammar, structural_tag, json_object, and the layout, which
/// holds for a form that another field asks for as well.
bool read_structured_outputs(FieldReader& read, const std::string& at, const JsonValue& value,
                             std::optional<OutputForm>& form, FormLayout& layout);
/// A schema, or a string that has one; SGLang's "$$ANY$$" is any object or array.
bool read_schema_form(FieldReader& read, const std::string& at, const JsonValue& value,
                      std::optional<OutputForm>& form);
bool read_regex_form(FieldReader& read, const std::string& at, const JsonValue& value,
                     std::optional<OutputForm>& form);
bool read_choice_form(FieldReader& read, const std::string& at, const JsonValue& value,
                      std::optional<OutputForm>& form);
bool read_grammar_form(FieldReader& read, const std::string& at, const JsonValue& value,
                       std::optional<OutputForm>& form);
bool read_structural_tag(FieldReader& read, const std::string& at, const JsonValue& value,
                         std::optional<OutputForm>& form);
/// What may stand between parts of JSON.
bool read_space_pattern(FieldReader& read, const std::string& at, const JsonValue& value,
                        FormLayout& layout);

/// Any JSON object, of which a model may choose the layout.
OutputForm any_json_object(const std::string& field);

/// JSON Schema of their values.
inline constexpr std::string_view kResponseFormatSchema = R"({"type":"object","required":["type"],
"properties":{"type":{"enum":["text","json_object","json_schema","structural_tag"]},
"json_schema":{"type":["object","null"]},"schema":{"type":["object","null"]},
"format":{"type":["object","null"]},"structures":{"type":["array","null"]},
"triggers":{"type":["array","null"]}}})";
inline constexpr std::string_view kStructuredOutputsSchema = R"({"type":"object","properties":{
"json":{"type":["object","string","null"]},"regex":{"type":["string","null"]},
"choice":{"type":["array","null"],"minItems":1,"items":{"type":"string"}},
"grammar":{"type":["string","null"]},"structural_tag":{"type":["object","string","null"]},
"json_object":{"type":["boolean","null"]},
"whitespace_pattern":{"type":["string","null"]},
"disable_any_whitespace":{"type":["boolean","null"]},
"disable_additional_properties":{"type":["boolean","null"]}}})";
inline constexpr std::string_view kSchemaFormSchema = R"({"type":["object","string"]})";
inline constexpr std::string_view kChoiceFormSchema =
    R"({"type":"array","items":{"type":"string"}})";

}  // namespace qwend
