#pragma once

#include <string_view>

#include "daemon/api/field.h"
#include "daemon/api/openai/reader.h"

namespace qwend {

/// Which requests a field belongs to.
enum FieldScope : unsigned {
    kChat = 1,
    kText = 2,
    kTokenize = 4,
    kResponses = 8,
    kDetokenize = 16,
    kVectors = 32,
    kBoth = kChat | kText,
    kAnyAnswer = kBoth | kResponses
};

/// The fields that we obey. Sources: OpenAI's API reference; vLLM's ChatCompletionRequest and
/// CompletionRequest.
const FieldTable<RequestReader>& request_fields();

/// What becomes of a field that we do not obey.
enum class OtherField {
    harmless,  // at a value that asks for nothing, or a hint that changes no answer
    refused,   // it would change the answer, and `instead` may say what to use
    unknown,   // in no reference we know: counted and named in the log
};
OtherField judge_other_field(std::string_view name, const JsonValue& value, unsigned scope,
                             std::string_view& instead);

}  // namespace qwend
