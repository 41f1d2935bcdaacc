#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

/// The fields of an object, as they stand in one; each ends with a comma.
inline std::string fields_of(simdjson::dom::object object) {
    std::string json;
    for (auto [key, value] : object)
        json += "\"" + std::string(key) + "\":" + std::string(simdjson::minify(value)) + ",";
    return json;
}

/// The tokenizer.json of a case of tests/golden/model_kinds.json, whose cases share vocabularies.
inline std::string tokenizer_json_of(simdjson::dom::object golden, simdjson::dom::element example) {
    const std::string_view name = example["model"].get_string().value();
    const simdjson::dom::object of_model = example["of_model"].get_object().value(),
                                words = golden["models"][name].get_object().value(),
                                fields = example["fields"].get_object().value();
    std::string model = fields_of(of_model) + fields_of(words);
    model.pop_back();
    return "{" + fields_of(fields) + "\"model\":{" + model + "}}";
}
