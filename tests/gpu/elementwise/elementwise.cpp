// The kernels between products and attention against their twins.

#include "gpu/elementwise/elementwise.h"
#include "gpu/linear/linear.h"
#include "model/rope.h"
#include "tests/gpu/kernel_test.h"

using namespace qwend;

namespace {

RopeFrequencies frequencies_of(int head_dim, bool yarn) {
    ModelConfig config;
    config.head_dim = head_dim, config.rope_theta = 1e6f;
    if (yarn) config.yarn.emplace().factor = 4, config.yarn->original_max_position = 1024;
    return rope_frequencies(config);
}

struct EmbedTallies {
    Tally rotations{"embed, rotations"}, squares{"embed, squares"};
};

/// What embed() makes, row by row.
struct EmbedTwin {
    std::vector<float> hidden;
    std::vector<bf16_t> x;
    std::vector<Expected> squares, rotations;

    EmbedTwin(const std::vector<int32_t>& tokens, const std::vector<int32_t>& positions,
              const std::vector<int32_t>& last_tokens, const std::vector<bf16_t>& embedding,
              const std::vector<float>& norm, const RopeFrequencies& frequencies,
              int square_width) {
        for (size_t row = 0; row < tokens.size(); row++) {
            const int32_t given = tokens[row];
            add_token(embedding, size_t(given < 0 ? last_tokens[size_t(-1 - given)] : given), norm,
                      size_t(square_width));
            add_rotations(positions[row], frequencies);
        }
    }

  private:
    void add_token(const std::vector<bf16_t>& embedding, size_t token,
                   const std::vector<float>& norm, size_t square_width) {
        double square = 0;
        for (size_t i = 0; i < norm.size(); i++) {
            const float value = bf16_to_float(embedding[token * norm.size() + i]);
            hidden.push_back(value), x.push_back(float_to_bf16(value * norm[i]));
            square += double(value) * value;
            if ((i + 1) % square_width != 0 && i + 1 < norm.size()) continue;
            squares.push_back(  // n squares in as many roundings
                {squares.size(), {square, double(square_width) * 0x1p-24 * square}});
            square = 0;
        }
    }

    void add_rotations(int32_t position, const RopeFrequencies& frequencies) {
        for (float inv_freq : frequencies.inv_freq) {
            // The angle is a product in f32 everywhere; sincosf is off by 2 ulp, the scale by one.
            const float angle = float(position) * inv_freq;
            for (double value : {std::cos(double(angle)), std::sin(double(angle))}) {
                value *= double(frequencies.scale);
                rotations.push_back({rotations.size(), {value, 6 * half_ulp(value, kFloatBits)}});
            }
        }
    }
};

/// Embeds n rows, some of tokens sampled before. square_width > 0: with the input of the first
/// layer.
void check_embed(Random& random, int n, int width, int head_dim, int n_updates, int square_width,
                 EmbedTallies& tallies) {
    constexpr int kVocab = 500, kLanes = 300, kTable = 6000, kMaxPosition = 131072;
    const size_t columns = size_t(width), half = size_t(head_dim / 2);
    const bool few = square_width == kSkinnySquareWidth, fused = square_width > 0;
    const RopeFrequencies frequencies = frequencies_of(head_dim, few);
    const size_t n_sums = fused ? (columns + size_t(square_width) - 1) / size_t(square_width) : 0;
    const auto embedding = random.bf16s(kVocab * columns);
    const auto norm = random.floats(columns, 0.3f, 1);
    std::vector<int32_t> tokens, positions, last_tokens;
    for (int lane = 0; lane < kLanes; lane++) last_tokens.push_back(random.below(kVocab));
    for (int i = 0; i < n; i++) {
        tokens.push_back(i % 2 ? random.below(kVocab) : -1 - random.below(kLanes));
        positions.push_back(i < 4 ? i : random.below(kMaxPosition));
    }
    std::vector<int32_t> tables;
    for (int i = 0; i < kTable; i++) tables.push_back(random.below(1 << 20));
    std::vector<TableUpdate> updates;
    const auto places = random.permutation(kTable);
    for (int i = 0; i < n_updates; i++)
        updates.push_back({places[size_t(i)], random.below(1 << 20)});
    updates.push_back({0, -7});  // one more than there are

    const auto device_updates = to_device(updates);
    const auto count = to_device(std::vector<int32_t>{n_updates});
    const auto device_tokens = to_device(tokens), device_positions = to_device(positions),
               device_last = to_device(last_tokens);
    const auto device_embedding = to_device(embedding);
    const auto device_norm = to_device(norm), inv_freq = to_device(frequencies.inv_freq);
    Output<int32_t> device_tables(kTable);
    upload(device_tables.get(), tables.data(), tables.size());
    const Output<float> hidden(size_t(n) * columns), squares(size_t(n) * n_sums);
    const Output<float> rotations(2 * size_t(n) * half);
    const Output<bf16> x(size_t(n) * columns);
    embed({device_updates.get(), count.get(), device_tables.get(), device_tokens.get(),
           device_positions.get(), device_last.get(), device_embedding.get(), inv_freq.get(),
           frequencies.scale, n, width, head_dim, hidden.get(),
           reinterpret_cast<float2*>(rotations.get()), device_norm.get(), fused ? x.get() : nullptr,
           squares.get(), square_width},
          test_stream());

    for (int i = 0; i < n_updates; i++)
        tables[size_t(updates[size_t(i)].index)] = updates[size_t(i)].block;
    CHECK(device_tables.read() == tables);
    const EmbedTwin twin(tokens, positions, last_tokens, embedding, norm, frequencies,
                         fused ? square_width : 1);
    CHECK(same_bits(hidden.read(), twin.hidden));
    tallies.rotations.check(rotations.read(), twin.rotations);
    if (fused) {
        CHECK(x.read() == twin.x);
        tallies.squares.check(squares.read(), twin.squares);
    } else {
        CHECK(x.read() == std::vector<bf16_t>(twin.x.size(), kUntouched));
    }
}

}  // namespace

TEST_CASE("embed: rows, rotations, block tables, and the first norm's input") {
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    Random random(seed);
    EmbedTallies tallies;
    for (int head_dim : {64, 128})
        for (int width : {256, 320, 480, 896, 3584})
            for (int n : {1, 2, 5, 8, 9, 64, 301}) {
                CAPTURE(head_dim);
                CAPTURE(width);
                CAPTURE(n);
                for (int n_updates : {0, 1, 127, 5000})
                    check_embed(random, n, width, head_dim, n_updates,
                                n <= 8    ? kSkinnySquareWidth
                                : n <= 64 ? kWgmmaSquareWidth
                                          : 0,
                                tallies);
            }
}

TEST_CASE("rmsnorm: any row of the stream, small ones too") {
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    Random random(seed);
    Tally tally("rmsnorm");
    constexpr float kEps = 1e-6f;
    for (int width : {256, 320, 896, 1536, 3584, 8192})
        for (int n : {1, 7, 16, 200}) {
            CAPTURE(width);
            CAPTURE(n);
            const size_t columns = size_t(width);
            auto x = random.floats(size_t(n) * columns, 2);
            for (size_t i = 0; i < x.size(); i++)  // rows for which eps counts, and one of zeros
                if (i / columns % 7 >= 5) x[i] *= i / columns % 7 == 5 ? 5e-4f : 0;
            const auto weight = random.floats(columns, 0.3f, 1);
            std::vector<int32_t> gathered;
            for (int i = 0; i < n; i++) gathered.push_back(random.below(n));
            const auto device_x = to_device(x), device_weight = to_device(weight);
            const auto device_rows = to_device(gathered);
            auto run = [&](const float* from, const int32_t* rows, int n_rows) {
                const Output<bf16> out(size_t(n_rows) * columns);
                rmsnorm(from, rows, device_weight.get(), kEps, n_rows, width, out.get(),
                        test_stream());
                return out.read();
            };
            const auto all = run(device_x.get(), nullptr, n);
            std::vector<Expected> expected(x.size());
            for (size_t row = 0; row < size_t(n); row++) {
                double sum = 0;
                for (size_t i = 0; i < columns; i++)
                    sum += double(x[row * columns + i]) * double(x[row * columns + i]);
                for (size_t i = 0; i < columns; i++) {
                    const double product = double(x[row * columns + i]) * double(weight[i]);
                    expected[row * columns + i] = {
                        row * columns + i,
                        rounded(divide_by_rms({product, 0}, sum, width, double(kEps)), kBf16Bits)};
                }
            }
            tally.check(all, expected);
            const auto some = run(device_x.get(), device_rows.get(), n);
            for (size_t row = 0; row < size_t(n); row++) {
                const bf16_t* alone = &all[size_t(gathered[row]) * columns];
                CHECK(same_bits(&some[row * columns], alone, columns));
            }
            const float* last = device_x.get() + size_t(n - 1) * columns;
            CHECK(same_bits(run(last, nullptr, 1).data(), &all[size_t(n - 1) * columns], columns));
        }
}

namespace {

/// n rows of gates and ups, with gates that overflow an exponent among them.
void check_glu(Random& random, Activation activation, int n, int width, Tally& tally) {
    auto gate_up = random.bf16s(size_t(n) * 2 * size_t(width), 5);
    const float most = activation == Activation::silu ? 3e38f : 1e18f;  // of which relu2 is finite
    const float extremes[] = {0, 90, -90, 1000, -1000, 1e-30f, -1e-30f, most, -most};
    for (size_t i = 0; i < std::size(extremes); i++) {
        gate_up[i] = float_to_bf16(extremes[i]);
        gate_up[i + size_t(width)] = float_to_bf16(0.75f);
    }
    const auto device_gate_up = to_device(gate_up);
    const Output<bf16> out(size_t(n) * size_t(width));
    glu(activation, device_gate_up.get(), n, width, out.get(), test_stream());
    std::vector<Expected> expected;
    for (size_t i = 0; i < size_t(n) * size_t(width); i++) {
        const size_t row = i / size_t(width), at = i + row * size_t(width);
        const Bounded gate{bf16_to_float(gate_up[at]), 0},
            up{bf16_to_float(gate_up[at + size_t(width)]), 0};
        expected.push_back({i, rounded(activation_times(activation, gate, up), kBf16Bits)});
    }
    tally.check(out.read(), expected);
}

}  // namespace

TEST_CASE("glu: any gate through any activation") {
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    Random random(seed);
    for (const auto& [name, activation] : named_activations()) {
        Tally tally("glu, " + std::string(name));
        const bool is_silu = activation == Activation::silu;
        for (int width : is_silu ? std::vector{256, 384, 480, 4864, 18944} : std::vector{480, 4864})
            for (int n : {1, 9, 70}) {
                CAPTURE(width);
                CAPTURE(n);
                check_glu(random, activation, n, width, tally);
            }
    }
}
