// Frequencies of rotary embedding against transformers (tests/golden/rope.json), from config.json
// on.

#include "model/rope.h"

#include <doctest/doctest.h>

#include "model/json.h"
#include "tests/unit/checkpoint_files.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace dom = simdjson::dom;

TEST_CASE("rope: frequencies and scale are transformers', whatever config.json says") {
    dom::parser parser;
    dom::array cases = parser.load("tests/golden/rope.json");
    TempDir dir;
    const std::string shape =
        R"({"architectures":["Qwen2ForCausalLM"],"vocab_size":100,"hidden_size":256,)"
        R"("intermediate_size":128,"num_hidden_layers":1,"num_key_value_heads":2)";
    for (dom::object c : cases) {
        std::string fields = simdjson::minify(c["config"]);
        fields = fields == "{}" ? "}" : "," + fields.substr(1);
        CAPTURE(fields);
        const int64_t head_dim = c["head_dim"];
        dir.write("config.json",
                  shape + ",\"num_attention_heads\":" + std::to_string(256 / head_dim) + fields);
        const ModelConfig config = load_model_config(dir.path());
        REQUIRE(config.head_dim == head_dim);
        const RopeFrequencies found = rope_frequencies(config);
        CHECK(double(found.scale) == doctest::Approx(double(c["scale"])).epsilon(1e-6));
        dom::array expected = c["inv_freq"];
        REQUIRE(found.inv_freq.size() == expected.size());
        // transformers computes in float32.
        size_t i = 0;
        for (double value : expected)
            CHECK(double(found.inv_freq[i++]) == doctest::Approx(value).epsilon(4e-6));
    }
}

TEST_CASE(
    "rope: llama3 divides long wavelengths, keeps short ones, and goes from one to the other") {
    ModelConfig config;
    config.head_dim = 128, config.rope_theta = 1e6f;
    const RopeFrequencies plain = rope_frequencies(config);
    config.llama3 = Llama3Scaling{
        .factor = 8, .low_freq_factor = 1, .high_freq_factor = 4, .original_max_position = 8192};
    const RopeFrequencies scaled = rope_frequencies(config);
    int n_kept = 0, n_divided = 0, n_between = 0;
    for (size_t i = 0; i < plain.inv_freq.size(); i++) {
        const double f = double(plain.inv_freq[i]), wavelength = 2 * 3.14159265358979 / f;
        CAPTURE(wavelength);
        const double ratio = double(scaled.inv_freq[i]) / f;
        if (wavelength < 8192.0 / 4) {
            CHECK(ratio == doctest::Approx(1));
            n_kept++;
        } else if (wavelength > 8192.0 / 1) {
            CHECK(ratio == doctest::Approx(1.0 / 8));
            n_divided++;
        } else {
            const double smooth = (8192 / wavelength - 1) / (4 - 1);
            CHECK(ratio == doctest::Approx((1 - smooth) / 8 + smooth));
            n_between++;
        }
    }
    CHECK(n_kept > 20);
    CHECK(n_divided > 10);
    CHECK(n_between > 2);
    CHECK(scaled.scale == 1);
}

TEST_CASE("rope: longrope divides each frequency, and multiplies cos and sin") {
    ModelConfig config;
    config.head_dim = 8;
    const RopeFrequencies plain = rope_frequencies(config);
    config.longrope = LongRopeScaling{.short_factor = {1, 1.5f, 2, 4}, .attention_factor = 1.25f};
    const RopeFrequencies scaled = rope_frequencies(config);
    CHECK(scaled.scale == 1.25f);
    for (size_t i = 0; i < 4; i++)
        CHECK(plain.inv_freq[i] / scaled.inv_freq[i] ==
              doctest::Approx(config.longrope->short_factor[i]));
}

TEST_CASE("rope: proportional leaves the last frequencies of a head at 0, mrope changes none") {
    TempDir dir;
    auto frequencies = [&](const std::string& fields) {
        dir.write("config.json",
                  R"({"model_type":"qwen2","hidden_size":64,"num_attention_heads":4,)"
                  R"("num_key_value_heads":2)" +
                      fields + "}");
        return rope_frequencies(load_model_config(dir.path())).inv_freq;
    };
    const auto plain = frequencies("");
    CHECK(frequencies(R"(,"rope_scaling":{"type":"mrope","mrope_section":[2,3,3]})") == plain);
    // int(0.4 * 16 / 2) of 8 turn, half as fast.
    for (
        const char* fields :
        {R"(,"rope_parameters":{"rope_type":"proportional","partial_rotary_factor":0.4,"factor":2})",
         R"(,"partial_rotary_factor":0.4,"rope_scaling":{"type":"proportional","factor":2})"}) {
        const auto some = frequencies(fields);
        for (size_t i = 0; i < 8; i++)
            CHECK(some[i] == (i < 3 ? doctest::Approx(plain[i] / 2) : doctest::Approx(0)));
    }
    CHECK(frequencies(R"(,"rope_scaling":{"type":"proportional"})") == plain);
}
