// Quantised checkpoints are refused by their scheme: published configurations of each kind.

#include "model/quantization.h"

#include <doctest/doctest.h>

#include "model/config.h"
#include "tests/unit/checkpoint_files.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

TEST_CASE("quantization: config.json names scheme and bits") {
    struct Case {
        const char *field, *message;
    };
    TempDir dir;
    for (auto& c : std::vector<Case>{
             {R"("quantization_config":{"bits":4,"group_size":128,"quant_method":"gptq"})",
              "quantised (gptq, 4 bits)"},
             {R"("quantization_config":{"bits":8,"quant_method":"gptq"})", "(gptq, 8 bits)"},
             {R"("quantization_config":{"bits":4,"quant_method":"awq","version":"gemm"})",
              "(awq, 4 bits)"},
             {R"("quantization_config":{"w_bit":4,"quant_method":"awq"})", "(awq, 4 bits)"},
             {R"("quantization_config":{"quant_method":"fp8","weight_block_size":[128,128]})",
              "(fp8, 8 bits)"},
             {R"("quantization_config":{"load_in_4bit":true,"quant_method":"bitsandbytes"})",
              "(bitsandbytes, 4 bits)"},
             {R"("quantization_config":{"_load_in_8bit":true,"load_in_4bit":false})",
              "(bitsandbytes, 8 bits)"},
             {R"("quantization_config":{"quant_method":"compressed-tensors","config_groups":)"
              R"({"group_0":{"weights":{"num_bits":4,"type":"int"}}}})",
              "(compressed-tensors, int, 4 bits)"},
             {R"("quantization_config":{"quant_method":"compressed-tensors","config_groups":)"
              R"({"group_0":{"weights":{"num_bits":8,"type":"float"}}}})",
              "(compressed-tensors, float, 8 bits)"},
             {R"("quantization_config":{"quant_method":"modelopt","quant_algo":"NVFP4"})",
              "(modelopt)"},
             {R"("quantization_config":{"quant_method":"mxfp4"})", "(mxfp4, 4 bits)"},
             {R"("quantization_config":{"quant_method":7,"bits":"4"})", "(scheme not named)"},
             {R"("compression_config":{"config_groups":3})", "(compressed-tensors)"},
             {R"("quantization":{"group_size":64,"bits":4})", "(MLX, 4 bits)"}}) {
        dir.write("config.json", replaced(kConfig, "\"eos_token_id\":[7,9]", c.field));
        CHECK_THROWS_WITH_AS(load_model_config(dir.path()), doctest::Contains(c.message),
                             LoadError);
        CHECK_THROWS_WITH_AS(load_model_config(dir.path()), doctest::Contains("BF16, F16 or F32"),
                             LoadError);
    }
    for (auto field : {R"("quantization_config":null)", R"("quantization_config":{})",
                       R"("quantization_config":false)"}) {
        dir.write("config.json", replaced(kConfig, "\"eos_token_id\":[7,9]", field));
        CHECK_NOTHROW(load_model_config(dir.path()));
    }
}

TEST_CASE("quantization: older tools leave a file beside config.json") {
    struct Case {
        const char *name, *content, *message;
    };
    for (auto& c : std::vector<Case>{
             {"quantize_config.json", R"({"bits":4,"group_size":128})", "(GPTQ, 4 bits)"},
             {"quant_config.json", R"({"w_bit":4,"zero_point":true})", "(AWQ, 4 bits)"},
             {"hf_quant_config.json", R"({"quantization":{"quant_algo":"FP8"}})",
              "(ModelOpt, FP8)"}}) {
        TempDir dir;
        dir.write("config.json", kConfig);
        dir.write(c.name, c.content);
        CHECK_THROWS_WITH_AS(load_model_config(dir.path()), doctest::Contains(c.message),
                             LoadError);
    }
}
