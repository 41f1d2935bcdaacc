// What a configuration says of quantised weights: published ones of each kind, and what is refused.

#include "model/quantized/scheme.h"

#include <doctest/doctest.h>

#include "model/config.h"
#include "tests/unit/checkpoint_files.h"
#include "tests/unit/quantized_checkpoint.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

std::string with_field(const std::string& field) {
    return replaced(kConfig, "\"eos_token_id\":[7,9]", field);
}

std::string with_quantization(const std::string& value) {
    return with_field("\"quantization_config\":" + value);
}

/// What is said of a config.json.
std::string said_of(const std::string& config) {
    const TempDir dir;
    dir.write("config.json", config);
    try {
        const ModelConfig read = load_model_config(dir.path());
        return read.quantization ? read.quantization->text() : "not quantised";
    } catch (const LoadError& error) {
        return error.what();
    }
}

}  // namespace

TEST_CASE("quantized/scheme: what is served is read, with its bits and its groups") {
    const std::string block = R"("strategy":"block","block_structure":[128,128])";
    for (auto [config, text] : std::vector<std::pair<std::string, std::string>>{
             {R"({"bits":4,"group_size":128,"quant_method":"gptq"})",
              "gptq, 4 bits in groups of 128"},
             {R"({"bits":8,"group_size":-1,"quant_method":"gptq","checkpoint_format":"gptq_v2"})",
              "gptq, 8 bits, a scale for each output"},
             {R"({"bits":4,"quant_method":"awq","version":"GEMM","modules_to_not_convert":null})",
              "awq, 4 bits in groups of 128"},
             {R"({"w_bit":4,"q_group_size":64,"quant_method":"awq"})",
              "awq, 4 bits in groups of 64"},
             {R"({"quant_method":"fp8","weight_block_size":[128,128]})",
              "fp8, 8 bits in blocks of 128x128"},
             {R"({"quant_method":"fp8","activation_scheme":"static","ignored_layers":["lm_head"]})",
              "fp8, 8 bits, one scale"},
             {compressed_config("float-quantized", R"("num_bits":8,"type":"float",)" + block),
              "compressed-tensors float-quantized, 8 bits in blocks of 128x128"}}) {
        CAPTURE(config);
        CHECK(said_of(with_quantization(config)) == text);
    }
    for (const QuantizedFormat& format : quantized_formats()) {
        CAPTURE(format.name);
        CHECK_SAYS(said_of(with_quantization(format.config)),
                   std::to_string(format.bits) + " bits");
    }
    for (auto value : {"null", "{}", "false"})
        CHECK(said_of(with_quantization(value)) == "not quantised");
}

TEST_CASE("quantized/scheme: what is not served is refused by its name, with what is") {
    const std::string group = R"("strategy":"group","group_size":128)";
    const std::string awq = R"({"quant_method":"awq","bits":4)",
                      gptq = R"({"quant_method":"gptq","bits":4)", fp8 = R"({"quant_method":"fp8")";
    const auto packed = [](const std::string& weights) {
        return compressed_config("pack-quantized", weights);
    };
    for (auto [config, message] : std::vector<std::pair<std::string, std::string>>{
             {R"({"load_in_4bit":true,"quant_method":"bitsandbytes"})", "(bitsandbytes, 4 bits)"},
             {R"({"_load_in_8bit":true,"load_in_4bit":false})", "(bitsandbytes, 8 bits)"},
             {R"({"quant_method":"exl2","bits":4.25})", "(exl2)"},
             {R"({"quant_method":"modelopt","quant_algo":"NVFP4"})", "(modelopt)"},
             {R"({"quant_method":"mxfp4"})", "(mxfp4, 4 bits)"},
             {R"({"quant_method":"fbgemm_fp8"})", "(fbgemm_fp8, 8 bits)"},
             {R"({"bits":3,"quant_method":"gptq"})", "bits: expected 4 or 8, found 3"},
             {R"({"bits":"4","quant_method":"gptq"})", "bits: expected an integer, found \"4\""},
             {R"({"quant_method":7,"bits":"4"})", "quant_method: expected a word, found 7"},
             {gptq + R"(,"desc_act":true})",
              "(gptq, 4 bits): desc_act: expected false, found true"},
             {gptq + R"(,"desc_act":1})", "desc_act: expected true or false, found 1"},
             {gptq + R"(,"group_size":100})", "multiple of 32, found 100"},
             {gptq + R"(,"is_marlin_format":true})", "is_marlin_format"},
             {gptq + R"(,"checkpoint_format":"marlin"})", "gptq or gptq_v2, found marlin"},
             {gptq + R"(,"dynamic":{"+:.*down.*":{"bits":8}}})", "dynamic: expected one scheme"},
             {awq + R"(,"version":"gemv"})", "version: expected gemm, found gemv"},
             {awq + R"(,"zero_point":false})", "zero_point: expected true"},
             {awq + R"(,"modules_to_not_convert":7})", "expected a list of names, found 7"},
             {awq + R"(,"modules_to_not_convert":[7]})", "expected names, found 7"},
             {fp8 + R"(,"activation_scheme":"odd"})", "static or dynamic, found odd"},
             {fp8 + R"(,"weight_block_size":[128]})", "two sizes"},
             {fp8 + R"(,"fmt":"e5m2"})", "expected e4m3, found e5m2"},
             {compressed_config("marlin-24", R"("num_bits":4,"type":"int",)" + group),
              "(compressed-tensors, int, 4 bits): format: \"marlin-24\" is not served"},
             {compressed_config("nvfp4-pack-quantized", R"("num_bits":4,"type":"float",)" + group),
              "nvfp4-pack-quantized"},
             {packed(R"("num_bits":3,"type":"int",)" + group), "found 3 and int"},
             {packed(R"("num_bits":8,"type":"float",)" + group), "found 8 and float"},
             {packed(R"("num_bits":4,"type":"int","strategy":"odd")"), "found \"odd\""},
             {packed(R"("num_bits":4,"type":"int","strategy":"group")"), "group_size"},
             {packed(R"("num_bits":4,"type":"int","actorder":"odd",)" + group), "found odd"},
             {R"({"quant_method":"compressed-tensors","format":"int-quantized"})",
              "config_groups: expected one"}}) {
        CAPTURE(config);
        const std::string said = said_of(with_quantization(config));
        CHECK_SAYS(said, message);
        CHECK_SAYS(said, "expected BF16, F16 or F32, AWQ");
    }
    CHECK_SAYS(said_of(with_field(R"("quantization":{"group_size":64,"bits":4})")),
               "(MLX, 4 bits)");
    CHECK_SAYS(said_of(with_field(R"("compression_config":{"config_groups":3})")),
               "(compressed-tensors");
}

TEST_CASE("quantized/scheme: older tools leave a file beside config.json") {
    const auto said = [](const char* name, const char* content) {
        const TempDir dir;
        dir.write("config.json", kConfig);
        dir.write(name, content);
        try {
            return load_model_config(dir.path()).quantization->text();
        } catch (const LoadError& error) {
            return std::string(error.what());
        }
    };
    CHECK(said("quantize_config.json", R"({"bits":4,"group_size":128,"desc_act":false})") ==
          "gptq, 4 bits in groups of 128");
    CHECK(said("quant_config.json", R"({"w_bit":4,"q_group_size":128,"version":"GEMM"})") ==
          "awq, 4 bits in groups of 128");
    CHECK_SAYS(said("hf_quant_config.json", R"({"quantization":{"quant_algo":"FP8"}})"), "(FP8");
}

TEST_CASE("quantized/scheme: lists of modules") {
    const auto converts = [](const std::string& more, const char* module) {
        const TempDir dir;
        dir.write("config.json",
                  with_quantization(R"({"quant_method":"compressed-tensors","format":)"
                                    R"("pack-quantized","config_groups":{"a":{"weights":{)"
                                    R"("num_bits":4,"type":"int","strategy":"channel"}}},)" +
                                    more + "}"));
        return load_model_config(dir.path()).quantization->converts(module);
    };
    const char* q = "model.layers.10.self_attn.q_proj";
    for (auto [list, answer] : std::vector<std::pair<const char*, Named>>{
             {R"(["lm_head"])", Named::yes},
             {R"(["model.layers.10.self_attn.q_proj"])", Named::no},
             {R"(["self_attn"])", Named::no},
             {R"(["layers.10."])", Named::no},
             {R"(["layers.1"])", Named::maybe},
             {R"(["re:.*q_proj"])", Named::no},
             {R"(["re:.*\\.q_proj$"])", Named::no},
             {R"(["re:self_attn"])", Named::yes},
             {R"(["re:^model\\.layers\\.\\d+\\.self_attn.*"])", Named::no},
             {R"(["re:model.layers.[0-9]+.mlp"])", Named::yes},
             {R"(["re:.*self_att$"])", Named::yes},
             {R"(["re:.*(q|k)_proj"])", Named::maybe},
             {R"(["re:*"])", Named::maybe}}) {
        CAPTURE(list);
        CHECK(converts(std::string("\"ignore\":") + list, q) == answer);
    }
}

TEST_CASE("quantized/scheme: GPTQ's lists of modules") {
    const auto converts = [](const std::string& more, const char* module) {
        const TempDir dir;
        dir.write("config.json",
                  with_quantization(R"({"quant_method":"gptq","bits":4,)" + more + "}"));
        return load_model_config(dir.path()).quantization->converts(module);
    };
    const std::string skipped = R"("dynamic":{"-:.*down.*":{}})";
    CHECK(converts(skipped, "model.layers.0.mlp.down_proj") == Named::no);
    CHECK(converts(skipped, "model.layers.0.mlp.up_proj") == Named::yes);
    const std::string some =
        R"("modules_in_block_to_quantize":[["self_attn.q_proj"],["mlp.up_proj"]])";
    CHECK(converts(some, "model.layers.0.mlp.up_proj") == Named::yes);
    CHECK(converts(some, "model.layers.0.mlp.down_proj") == Named::no);
}
