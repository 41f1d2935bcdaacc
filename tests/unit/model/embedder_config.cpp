// Folders of sentence-transformers: which modules they name, and what is refused.

#include "model/embedder_config.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "model/error.h"
#include "tests/unit/checkpoint_files.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

std::string module(std::string_view path, std::string_view type) {
    return R"({"idx":0,"name":"0","path":")" + std::string(path) + R"(","type":")" +
           std::string(type) + "\"}";
}

const std::string kTransformer = module("", "sentence_transformers.models.Transformer");
const std::string kPooling = module("1_Pooling", "sentence_transformers.models.Pooling");

/// A folder, with what 1_Pooling/config.json and modules.json say.
struct Folder {
    TempDir dir;

    explicit Folder(std::string_view pooling = "{}",
                    const std::string& modules = kTransformer + "," + kPooling) {
        for (const char* name : {"1_Pooling", "2_Dense", "3_Dense"})
            std::filesystem::create_directory(dir.path() / name);
        dir.write("config.json", kConfig);
        dir.write("modules.json", "[" + modules + "]");
        dir.write("1_Pooling/config.json", pooling);
    }
    EmbedderConfig load() const {
        return load_embedder_config(dir.path(), load_model_config(dir.path()));
    }
    std::string refusal() const {
        try {
            load();
        } catch (const LoadError& error) {
            return error.what();
        }
        return "accepted";
    }
};

}  // namespace

TEST_CASE("embedder config: without such a folder the last token counts") {
    TempDir dir;
    dir.write("config.json", kConfig);
    const EmbedderConfig embedder = load_embedder_config(dir.path(), load_model_config(dir.path()));
    CHECK(embedder.pooling == Pooling::last);
    CHECK(embedder.normalizes);
    CHECK(embedder.default_prompt.empty());
    CHECK_FALSE(embedder.appends_end);
}

TEST_CASE("embedder config: pooling, as older and newer folders have it") {
    struct Case {
        const char* config;
        Pooling pooling;
    };
    for (const auto& [config, pooling] : std::vector<Case>{
             {R"({})", Pooling::mean},
             {R"({"pooling_mode_cls_token":false,"pooling_mode_lasttoken":true})", Pooling::last},
             {R"({"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false})",
              Pooling::first},
             {R"({"pooling_mode_max_tokens":true})", Pooling::max},
             {R"({"pooling_mode_mean_sqrt_len_tokens":true})", Pooling::mean_sqrt_len},
             {R"({"pooling_mode_weightedmean_tokens":true})", Pooling::weighted_mean},
             {R"({"pooling_mode":"lasttoken"})", Pooling::last},
             {R"({"pooling_mode":["cls"]})", Pooling::first}}) {
        CAPTURE(config);
        const Folder folder(config);
        CHECK(folder.load().pooling == pooling);
        CHECK_FALSE(folder.load().normalizes);
        CHECK(folder.load().pools_prompt);
    }
    CHECK_FALSE(Folder(R"({"include_prompt":false})").load().pools_prompt);
    CHECK_SAYS(Folder(R"({"pooling_mode_cls_token":true,"pooling_mode_lasttoken":true})").refusal(),
               "one way of pooling");
    CHECK_SAYS(Folder(R"({"pooling_mode":["cls","mean"]})").refusal(), "found several");
    CHECK_SAYS(Folder(R"({"pooling_mode":"median"})").refusal(), "found median");
    CHECK_SAYS(Folder(R"({"pooling_mode":7})").refusal(), "expected a string");
}

TEST_CASE("embedder config: modules under the names of any version") {
    const std::string normalize =
        module("2_Normalize", "sentence_transformers.sentence_transformer.modules.Normalize");
    const Folder folder(
        "{}", module("", "sentence_transformers.base.modules.transformer.Transformer") + "," +
                  kPooling + "," + normalize);
    CHECK(folder.load().normalizes);
    CHECK_SAYS(Folder("{}", module("", "x.models.CLIPModel")).refusal(),
               "found x.models.CLIPModel");
    CHECK_SAYS(Folder("{}", module("../up", "x.Pooling")).refusal(), "within the folder");
    CHECK_SAYS(Folder("{}", R"({"path":7,"type":"Pooling"})").refusal(), "expected modules");
    CHECK_SAYS(Folder("{}", "7").refusal(), "expected modules");
    CHECK_SAYS(Folder("{}", module("1_Pooling", "x.Transformer")).refusal(), "beside modules.json");
    CHECK_SAYS(Folder("{}", module("none", "x.Pooling")).refusal(), "config.json");
}

TEST_CASE("embedder config: dense layers follow one another") {
    const std::string modules = kTransformer + "," + kPooling + "," + module("2_Dense", "x.Dense");
    Folder folder("{}", modules + "," + module("3_Dense", "x.Dense"));
    folder.dir.write("2_Dense/config.json", R"({"in_features":64,"out_features":8,"bias":true,)"
                                            R"("activation_function":"torch.nn.Tanh"})");
    folder.dir.write("3_Dense/config.json",
                     R"({"in_features":8,"out_features":4,"bias":false,)"
                     R"("activation_function":"torch.nn.modules.linear.Identity"})");
    const EmbedderConfig embedder = folder.load();
    REQUIRE(embedder.dense.size() == 2);
    CHECK(embedder.dense[0].activation == Activation::tanh);
    CHECK(embedder.dense[0].has_bias);
    CHECK(embedder.dense[1].n_out == 4);
    CHECK(embedder.dense[1].activation == Activation::linear);
    CHECK_FALSE(embedder.dense[1].has_bias);
    folder.dir.write("3_Dense/config.json", R"({"in_features":9,"out_features":4})");
    CHECK_SAYS(folder.refusal(), "3_Dense expects vectors of 9 dimensions, found 8");
    folder.dir.write("3_Dense/config.json", R"({"in_features":8,"out_features":4,)"
                                            R"("activation_function":"torch.nn.Hardtanh"})");
    CHECK_SAYS(folder.refusal(), "found torch.nn.Hardtanh");
    folder.dir.write("3_Dense/config.json", R"({"in_features":8})");
    CHECK_SAYS(folder.refusal(), "out_features");
}

TEST_CASE("embedder config: prompts and the length of a text") {
    const Folder folder;
    folder.dir.write("config_sentence_transformers.json",
                     R"({"prompts":{"query":"Instruct: find\nQuery: ","passage":""},)"
                     R"("default_prompt_name":null})");
    folder.dir.write("sentence_bert_config.json", R"({"max_seq_length":100})");
    CHECK(folder.load().prompts.at("query") == "Instruct: find\nQuery: ");
    CHECK(folder.load().default_prompt.empty());
    CHECK(folder.load().max_tokens == 100);
    CHECK_FALSE(folder.load().renders_chat);
    folder.dir.write("config_sentence_transformers.json",
                     R"({"prompts":{"query":"Q: "},"default_prompt_name":"query"})");
    folder.dir.write("sentence_bert_config.json",
                     R"({"max_seq_length":null,"modality_config":{"text":{},"message":{}}})");
    CHECK(folder.load().default_prompt == "Q: ");
    CHECK_FALSE(folder.load().max_tokens.has_value());
    CHECK(folder.load().renders_chat);
    for (const char* bad : {R"({"default_prompt_name":"query"})", R"({"prompts":[]})",
                            R"({"prompts":{"a":1}})", R"({"default_prompt_name":1})"}) {
        folder.dir.write("config_sentence_transformers.json", bad);
        CHECK(folder.refusal() != "accepted");
    }
}
