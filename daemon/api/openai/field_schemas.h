#pragma once

#include <string_view>

namespace qwend {

// JSON Schema of the fields of OpenAI's requests that have members or more types than one, as their
// readers take them.

inline constexpr std::string_view kMessagesSchema = R"({"type":"array","minItems":1,"items":
{"type":"object","required":["role"],"properties":{
"role":{"type":"string","enum":["system","developer","user","assistant","tool","function"]},
"content":{"anyOf":[{"type":"string"},{"type":"null"},{"type":"array","items":{"type":"object",
"required":["type"],"properties":{"type":{"type":"string"},"text":{"type":"string"}}}}]},
"name":{"type":["string","null"]},
"tool_call_id":{"type":["string","null"]},
"reasoning_content":{"type":["string","null"]},
"reasoning":{"type":["string","null"]},
"tool_calls":{"anyOf":[{"type":"null"},{"type":"array","items":{"type":"object",
"required":["function"],"properties":{"id":{"type":"string"},"type":{"type":"string"},
"function":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},
"arguments":{}}}}}}]}}}})";

inline constexpr std::string_view kPromptSchema = R"({"anyOf":[{"type":"string","minLength":1},
{"type":"array","minItems":1,"items":{"type":"string","minLength":1}},
{"type":"array","minItems":1,"items":{"type":"integer","minimum":0}},
{"type":"array","minItems":1,"items":{"type":"array","minItems":1,
"items":{"type":"integer","minimum":0}}}]})";

inline constexpr std::string_view kToolsSchema = R"({"type":"array","items":{"type":"object",
"required":["function"],"properties":{"type":{"type":"string","const":"function"},
"function":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},
"description":{},"parameters":{},"strict":{"type":["boolean","null"]}}}}}})";

inline constexpr std::string_view kToolChoiceSchema = R"({"anyOf":[
{"type":"string","enum":["auto","none","required"]},
{"type":"object","required":["type","function"],"properties":{
"type":{"type":"string","const":"function"},"function":{"type":"object","required":["name"],
"properties":{"name":{"type":"string","minLength":1}}}}},
{"type":"object","required":["type","allowed_tools"],"properties":{
"type":{"type":"string","const":"allowed_tools"},
"allowed_tools":{"type":"object","required":["mode","tools"],"properties":{
"mode":{"type":"string","enum":["auto","required"]},"tools":{"type":"array","items":{"type":"object"}}}}}}]})";

inline constexpr std::string_view kStopSchema = R"({"anyOf":[
{"type":"string","minLength":1,"maxLength":1024},{"type":"array","maxItems":16,
"items":{"type":"string","minLength":1,"maxLength":1024}}]})";

inline constexpr std::string_view kLogitBiasSchema = R"({"type":"object",
"propertyNames":{"pattern":"^[0-9]+$"},
"additionalProperties":{"type":"number","minimum":-100,"maximum":100}})";

inline constexpr std::string_view kTruncateSchema =
    R"({"anyOf":[{"type":"integer","const":-1},{"type":"integer","minimum":1}]})";

inline constexpr std::string_view kTextLogprobsSchema =
    R"({"anyOf":[{"type":"integer","minimum":0,"maximum":20},{"type":"boolean","const":false}]})";

inline constexpr std::string_view kStreamOptionsSchema = R"({"type":"object","properties":{
"include_usage":{"type":["boolean","null"]},"continuous_usage_stats":{"type":["boolean","null"]}}})";

inline constexpr std::string_view kRequestIdSchema =
    R"({"type":"string","minLength":1,"maxLength":128,"pattern":"^[!-~]+$"})";

/// Of choices; the operator's max-choices bounds them.
inline constexpr std::string_view kCountSchema = R"({"type":"integer","minimum":1})";

}  // namespace qwend
