// What of rope_scaling is refused, and how long a context it allows. What it computes is in
// rope.cpp.

#include "model/rope_config.h"

#include <doctest/doctest.h>

#include "tests/unit/checkpoint_files.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

/// Of 512 positions, with these fields.
ModelConfig load(const std::string& fields) {
    TempDir dir;
    dir.write("config.json", replaced(kConfig, "\"eos_token_id\":[7,9]", fields));
    return load_model_config(dir.path());
}

}  // namespace

TEST_CASE("rope_config: the context that an extension allows") {
    struct Case {
        const char* fields;
        int max_position;
    };
    for (auto& c : std::vector<Case>{
             {R"("rope_scaling":null)", 512},
             {R"("rope_scaling":{"type":"default"})", 512},
             {R"("rope_scaling":{"type":"linear","factor":4})", 2048},
             {R"("rope_scaling":{"type":"yarn","factor":4.0})", 2048},
             {R"("rope_scaling":{"type":"yarn","factor":4.0,)"
              R"("original_max_position_embeddings":512})",
              2048},
             {R"("rope_scaling":{"type":"yarn","factor":4.0,)"
              R"("original_max_position_embeddings":128})",
              512},
             {R"("rope_scaling":{"type":"yarn","original_max_position_embeddings":128})", 512},
             {R"("rope_scaling":{"type":"yarn","factor":0.5})", 512},
             {R"("rope_scaling":{"type":"longrope","short_factor":[1,1,1,1,1,1,1,1],)"
              R"("original_max_position_embeddings":128})",
              128},
             {R"("rope_scaling":{"type":"su","short_factor":[1,1,1,1,1,1,1,1],"factor":4})", 512},
             {R"("rope_scaling":{"type":"mrope","mrope_section":[2,3,3]})", 512},
             {R"("rope_parameters":{"rope_type":"proportional","partial_rotary_factor":0.5})", 512},
             {R"("rope_parameters":{"rope_type":"yarn","factor":2.0,"rope_theta":1e6})", 1024}})
        CHECK_MESSAGE(load(c.fields).max_position == c.max_position, c.fields);
}

TEST_CASE("rope_config: what is not served is refused by name and field") {
    struct Case {
        const char *fields, *message;
    };
    for (
        auto& c : std::vector<Case>{
            {R"("rope_scaling":{"type":"longrope","factor":2})", "short_factor"},
            {R"("rope_scaling":{"type":"longrope","short_factor":[1,2]})", "found 2"},
            {R"("rope_scaling":{"type":"longrope","short_factor":[0]})", "expected numbers"},
            {R"("rope_scaling":{"rope_type":"llama3","factor":8})", "low_freq_factor"},
            {R"("rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":4})",
             "high_freq_factor"},
            {R"("rope_scaling":{"type":"axial"})", "found axial"},
            {R"("rope_parameters":{"rope_type":"su"})", "short_factor"},
            {R"("rope_parameters":{"rope_type":"ntk"})", "\"rope_parameters.rope_type\""},
            {R"("rope_scaling":{"type":"linear","factor":2},"partial_rotary_factor":0.5)",
             "partial_rotary_factor"},
            {R"("rope_scaling":{"rope_type":4})", "expected a name, found 4"},
            {R"("rope_scaling":"yarn")", "expected an object or null"},
            {R"("rope_scaling":{"type":"linear"})", "\"rope_scaling.factor\""},
            {R"("rope_scaling":{"type":"yarn","factor":"4"})", "\"rope_scaling.factor\""},
            {R"("rope_scaling":{"type":"yarn","factor":-1})", "found -1"},
            {R"("rope_scaling":{"type":"yarn","factor":4,"beta_fast":-1})", "beta_fast"},
            {R"("rope_scaling":{"type":"yarn","factor":4,"attention_factor":0})",
             "attention_factor"},
            {R"("rope_scaling":{"type":"yarn","factor":4,"truncate":1})", "true or false"},
            {R"("rope_scaling":{"type":"yarn","factor":4,"partial_rotary_factor":0.5})",
             "partial_rotary_factor"},
            {R"("rope_parameters":{"full_attention":{"rope_type":"default"}})",
             "each type of layer"}})
        CHECK_THROWS_WITH_AS(load(c.fields), doctest::Contains(c.message), LoadError);
}
