// What is served, as clients list and describe it.

#include "daemon/api/ollama/catalogue.h"

#include <doctest/doctest.h>
#include <simdjson.h>

#include <regex>

#include "tests/unit/daemon/api/started_model.h"

using namespace qwend;

namespace {

namespace dom = simdjson::dom;

ModelPtr named(std::vector<std::string> names) {
    const auto text = load_demo_text();
    text->names = std::move(names);
    return std::make_shared<Model>(text, EngineOptions(), [] {});
}

std::string string_of(dom::element element) {
    return std::string(element.get_string().value());
}

}  // namespace

TEST_CASE("ollama_catalogue: sizes as people say them") {
    CHECK(parameter_size(494'032'768) == "494.03M");
    CHECK(parameter_size(7'615'616'512) == "7.6B");
    CHECK(parameter_size(2'000'000'000) == "2B");
    CHECK(parameter_size(7'773'440) == "7.77M");
    CHECK(parameter_size(500) == "0K");
}

TEST_CASE("ollama_catalogue: every name with its tag, and what a client's types want of it") {
    const ModelRegistry models({named({"owner/a", "b:7b"})});
    for (const bool running : {false, true}) {
        dom::parser parser;
        dom::element document;
        REQUIRE_FALSE(
            parser.parse(running ? render_running(models) : render_tags(models)).get(document));
        const dom::array listed = document["models"].get_array().value();
        REQUIRE(listed.size() == 2);
        const std::string names[] = {"owner/a:latest", "b:7b"};
        for (size_t i = 0; i < 2; i++) {
            const dom::element model = listed.at(i).value();
            CHECK(string_of(model["name"]) == names[i]);
            CHECK(string_of(model["model"]) == names[i]);
            CHECK(model["size"].get_int64().value() == 2 * 7'773'440);
            CHECK(std::regex_match(string_of(model["digest"]), std::regex("[0-9a-f]{64}")));
            CHECK(string_of(model["details"]["family"]) == "qwen2");
            CHECK(model["details"]["families"].get_array().value().size() == 1);
            CHECK(string_of(model["details"]["parameter_size"]) == "7.77M");
            CHECK(string_of(model["details"]["quantization_level"]) == "BF16");
            const char* time = running ? "expires_at" : "modified_at";
            CHECK(string_of(model[time]).ends_with(".000000000Z"));
            if (running) {
                CHECK(model["size_vram"].get_int64().value() == 0);
                CHECK(model["context_length"].get_int64().value() == demo_text()->max_model_len);
            }
        }
    }
}

TEST_CASE("ollama_catalogue: a model's description, under the name it was asked for by") {
    const StartedModel started;  // whose pool is smaller than the context
    dom::parser parser;
    dom::element shown;
    REQUIRE_FALSE(parser.parse(render_shown(*started.model, "a:latest")).get(shown));
    const dom::element info = shown["model_info"];
    CHECK(string_of(info["general.architecture"]) == "qwen2");
    CHECK(string_of(info["general.basename"]) == "a:latest");
    CHECK(info["general.parameter_count"].get_int64().value() == 7'773'440);
    CHECK(info["qwen2.context_length"].get_int64().value() == 1024);
    CHECK(info["qwen2.embedding_length"].get_int64().value() == 256);
    CHECK(simdjson::minify(shown["capabilities"].value()) == R"(["completion","tools","insert"])");
    CHECK(string_of(shown["template"]).find(".Suffix") != std::string::npos);
    CHECK(string_of(shown["template"]).find(".Tools") != std::string::npos);
    for (const char* text : {"modelfile", "system", "license", "modified_at"})
        CHECK(shown[text].is_string());
    // Continue takes every line apart, and fails on one that has no two words.
    const std::string parameters = string_of(shown["parameters"]);
    const std::regex line(R"(^(num_ctx|temperature|top_k|top_p|repeat_penalty|stop)\s+(\S+)$)");
    for (size_t at = 0, end; at <= parameters.size(); at = end + 1) {
        end = std::min(parameters.find('\n', at), parameters.size());
        CHECK(std::regex_match(parameters.substr(at, end - at), line));
    }
    CHECK(parameters.starts_with("num_ctx                        1024\n"));
    CHECK(parameters.find("stop                           \"<|im_end|>\"") != std::string::npos);
}

TEST_CASE("ollama_catalogue: a model that only goes on with a text") {
    const auto text = load_demo_text();
    text->chat_template = {};
    const Model model(text, EngineOptions(), [] {});
    dom::parser parser;
    dom::element shown;
    REQUIRE_FALSE(parser.parse(render_shown(model, "a")).get(shown));
    CHECK(simdjson::minify(shown["capabilities"].value()) == R"(["completion","insert"])");
    text->output_format.reasoning = ReasoningFormat::think;
    REQUIRE_FALSE(parser.parse(render_shown(model, "a")).get(shown));
    CHECK(simdjson::minify(shown["capabilities"].value()) ==
          R"(["completion","insert","thinking"])");
}

TEST_CASE("ollama_catalogue: the version is numbers between dots, above what clients ask for") {
    CHECK(std::regex_match(std::string(kOllamaVersion), std::regex(R"(\d+\.\d+\.\d+)")));
    CHECK(std::stoi(std::string(kOllamaVersion.substr(2))) >= 14);
}
