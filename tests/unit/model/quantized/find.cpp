// Tensors that are not what the configuration says of them: each is one message, with the tensor,
// Expected and Actual.

#include "model/quantized/find.h"

#include <doctest/doctest.h>

#include <limits>

#include "model/cpu/cpu_backend.h"
#include "tests/unit/checkpoint_files.h"
#include "tests/unit/quantized_checkpoint.h"

using namespace qwend;

namespace {

const HashedShape kShape{"bad", 256, 4, 2, 384, true};

QuantizedFormat format_of(const std::string& name) {
    for (QuantizedFormat& format : quantized_formats())
        if (format.name == name) return format;
    throw std::logic_error("no such format");
}

/// What loading says, whether the tensors are found wanting or their numbers.
std::string refusal(const QuantizedFormat& format) {
    try {
        const QuantizedCheckpoint made(kShape, format, std::random_device{}());
        BackendOptions options;
        options.kv_cache_bytes = 1 << 20, options.max_context = 64;
        make_cpu_backend(*made.checkpoint, options);
    } catch (const LoadError& error) {
        return error.what();
    }
    return "accepted";
}

/// A format whose layers are spoilt before they are written.
QuantizedFormat spoilt(QuantizedFormat format, std::function<void(QuantizedLinear&)> spoil) {
    format.write = [write = format.write, spoil](auto& file, auto& module, auto& w, auto& f) {
        QuantizedLinear changed = w;
        spoil(changed);
        write(file, module, changed, f);
    };
    return format;
}

/// A format with another one's tensors.
QuantizedFormat mislabelled(const std::string& config_of, const std::string& tensors_of) {
    QuantizedFormat format = format_of(tensors_of);
    format.config = format_of(config_of).config;
    return format;
}

QuantizedFormat configured(const std::string& name, std::string_view from, std::string_view to) {
    QuantizedFormat format = format_of(name);
    format.config = replaced(format.config, from, to);
    return format;
}

/// Writes a tensor beside or instead of the format's.
QuantizedFormat with(const std::string& name, decltype(QuantizedFormat::write) more,
                     bool instead = false) {
    QuantizedFormat format = format_of(name);
    format.write = [write = format.write, more, instead](auto& file, auto& module, auto& w,
                                                         auto& f) {
        if (!instead) write(file, module, w, f);
        more(file, module, w, f);
    };
    return format;
}

}  // namespace

TEST_CASE("quantized/find: tensors of another scheme or size than the configuration says") {
    const auto dense = [](auto& file, auto& module, auto& w, auto&) {
        file.add(module + ".weight", "BF16", {w.n, w.k}, float_bytes(w.weights, DType::bf16));
    };
    const auto shape = [](auto& file, auto& module, auto& w, auto&) {
        file.add(module + ".weight_shape", "I64", {2}, std::vector<int64_t>{w.k, w.n + 1});
    };
    const auto order = [](auto& file, auto& module, auto& w, auto&) {
        file.add(module + ".weight_g_idx", "I32", {w.k}, std::vector<int32_t>(size_t(w.k), 1));
    };
    const auto only_codes = [](auto& file, auto& module, auto& w, auto&) {
        file.add(module + ".qweight", "I32", {w.k, w.n / 8},
                 std::vector<int32_t>(size_t(w.k * w.n / 8)));
    };
    const std::string q = "tensor model.layers.0.self_attn.q_proj.";
    QuantizedFormat no_shape = with("w4a16", shape, true);
    no_shape.write = [](auto& file, auto& module, auto& w, auto& f) {
        QuantizedLinear other = w;
        other.k -= 8;  // a word fewer in each row
        write_packed(file, module, other, f);
    };
    struct Case {
        QuantizedFormat format;
        std::string message;
    };
    for (const Case& c : std::vector<Case>{
             {mislabelled("gptq 4", "awq g128"),
              q + "qweight: expected I32 of shape [32, 256], found I32 of shape [256, 32]"},
             {mislabelled("awq g128", "gptq 4"),
              q + "qweight: expected I32 of shape [256, 32], found I32 of shape [32, 256]"},
             {mislabelled("gptq 8", "gptq 4"), q + "qweight: expected I32 of shape [64, 256]"},
             {mislabelled("awq g32", "awq g128"),
              q + "scales: expected BF16, F16 or F32 of shape [8, 256], found F16 of shape [2, "},
             {mislabelled("w8a8", "fp8 dynamic"), q + "weight: expected I8 of shape [256, 256], "
                                                      "found F8_E4M3"},
             {mislabelled("fp8 block", "fp8 dynamic"),
              q + "weight_scale: expected BF16, F16 or F32 of shape [2, 2], found BF16 of shape "
                  "[256, 1]"},
             {mislabelled("w4a16 asymmetric", "w4a16"),
              q + "weight_zero_point: expected I32 of shape [32, 2], found no such tensor"},
             {mislabelled("awq g128", "w4a16"), q + "qweight: expected I32"},
             {configured("awq g128", "\"group_size\":128", "\"group_size\":96"),
              q + "qweight: expected inputs that are a multiple of the group size, 96, found 256"},
             {configured("awq g128", "\"modules_to_not_convert\":null",
                         "\"modules_to_not_convert\":[\"q_proj\"]"),
              q + "qweight: expected BF16, F16 or F32, as this module is not to be converted"},
             {with("awq g128", dense, true), q + "qweight: expected I32, found BF16 as if it were "
                                                 "not quantised"},
             {with("awq g128", only_codes, true), q + "scales: expected"},
             {no_shape, q + "weight_packed: expected I32 of shape [256, 32], found I32 of shape "
                            "[256, 31]"},
             {with("w4a16", order), q + "weight_g_idx: expected inputs in the order of their "
                                        "groups, found input 0 in group 1"}}) {
        const std::string said = refusal(c.format);
        CAPTURE(c.format.name);
        CHECK_SAYS(said, c.message);
        CHECK_SAYS(said, "config.json)");
    }
}

TEST_CASE("quantized/find: scales and weights that are no numbers") {
    struct Case {
        const char* format;
        float scale;
        const char* message;
    };
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (const Case& c : std::vector<Case>{
             {"w4a16", nan, "weight_scale: expected finite numbers, found nan at 5"},
             {"fp8 block", -1, "weight_scale: expected numbers from 0 to 256, found -1 at 5"},
             {"fp8 blocks", nan, "weight_scale_inv: expected finite numbers, found nan at 5"},
             {"w8a8", -INFINITY, "weight_scale: expected finite numbers, found -inf at 5"}}) {
        const auto spoil = [&](QuantizedLinear& w) {
            if (w.scales.size() > 5) w.scales[5] = c.scale;
        };
        CHECK_SAYS(refusal(spoilt(format_of(c.format), spoil)), c.message);
        CHECK_SAYS(refusal(spoilt(format_of(c.format), spoil)), ": tensor model.layers.0.");
    }
    CHECK_SAYS(refusal(spoilt(format_of("fp8 dynamic"), [](auto& w) { w.codes[9] = 0xFF; })),
               "q_proj.weight: expected finite numbers, found nan at 9");
    // Integers may have negative scales.
    CHECK(refusal(spoilt(format_of("gptq 4"), [](auto& w) { w.scales[5] *= -1; })) == "accepted");
}

TEST_CASE("quantized/find: what is left alone, and biases that nobody asked for") {
    // As a tool writes it that was told to leave a layer's values alone: parts of one product are
    // then of several kinds.
    QuantizedFormat mixed = configured("awq g128", "\"modules_to_not_convert\":null",
                                       "\"modules_to_not_convert\":[\"v_proj\",\"lm_head\"]");
    mixed.write = [](auto& file, auto& module, auto& w, auto& f) {
        if (module.ends_with("v_proj"))
            file.add(module + ".weight", "BF16", {w.n, w.k}, float_bytes(w.weights, DType::bf16));
        else
            write_awq(file, module, w, f);
    };
    CHECK(refusal(mixed) == "accepted");
    const QuantizedCheckpoint made(kShape, format_of("awq g128"), 1);
    const auto& layers = made.checkpoint->weights.layers;
    CHECK_FALSE(layers[0].o.bias);  // zeros
    CHECK(layers[1].up.bias);
    CHECK_FALSE(layers[1].gate.bias);
}
