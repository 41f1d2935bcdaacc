// The fused products, with mma and with wgmma, against their twins, alone and in company.

#include "gpu/linear/linear.h"
#include "tests/gpu/linear/products.h"

using namespace qwend;

namespace {

const int kMaxRows = is_quick() ? 40 : 320;
constexpr int kRowCounts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 33, 64, 100, 200, 256, 300, 320};

/// Holds launch(first_row, n_rows), which returns what those rows became, `width` elements each,
/// to its twin and to itself.
template <class T, class Launch>
void check_rows(Tally& tally, const std::vector<Expected>& expected, size_t width, Launch launch) {
    std::vector<T> eights;
    for (int first = 0; first < kMaxRows; first += kSkinnyRows) {
        const std::vector<T> rows = launch(first, kSkinnyRows);
        eights.insert(eights.end(), rows.begin(), rows.end());
    }
    for (int n : kRowCounts) {
        if (n > kMaxRows) break;
        CAPTURE(n);
        const std::vector<T> rows = launch(0, n);
        REQUIRE(rows.size() == size_t(n) * width);
        tally.check(rows, expected);
        CHECK(same_bits(rows.data(), eights.data(), rows.size()));
    }
    for (int row = 0; row <= kSkinnyRows; row++) {
        CAPTURE(row);
        CHECK(same_bits(launch(row, 1).data(), eights.data() + size_t(row) * width, width));
    }
    for (int n : {1, 8, 33, kMaxRows}) {
        CAPTURE(n);
        CHECK(same_bits(launch(0, n), launch(0, n)));
    }
}

/// Fused products, with the weights that they take.
struct Fused {
    const LinearKernels& products;
    std::string name;
    LinearKind kind = LinearKind::dense;
    int group = 0;

    bool takes(int k) const { return kind == LinearKind::dense || k % 128 == 0; }
    Product product(Random& random, int n, int k) const {
        return Product(random, n, k, kMaxRows, products.square_width, kind, group);
    }
};

/// Calls test(fused) for those the device has.
template <class Test>
void for_each_kind(Test test) {
    test(Fused{kSkinnyMma, "skinny_mma"});
    if (test_device().has_wgmma) test(Fused{kWgmmaSm90, "wgmma_sm90"});
    test(Fused{kSkinnyPacked, "skinny_packed, int4 in groups of 128", LinearKind::int4, 128});
    test(Fused{kSkinnyPacked, "skinny_packed, int4 in groups of 32", LinearKind::int4, 32});
    test(Fused{kSkinnyPacked, "skinny_packed, int8 by rows", LinearKind::int8, 0});
    test(Fused{kSkinnyPacked, "skinny_packed, int8 in groups of 32", LinearKind::int8, 32});
    test(Fused{kSkinnyPacked, "skinny_packed, fp8 in groups of 128", LinearKind::fp8, 128});
    if (!test_device().has_wgmma) return;
    test(Fused{kWgmmaPackedSm90, "wgmma_packed, int4 in groups of 128", LinearKind::int4, 128});
    test(Fused{kWgmmaPackedSm90, "wgmma_packed, int8 by rows", LinearKind::int8, 0});
    test(Fused{kWgmmaPackedSm90, "wgmma_packed, fp8 in groups of 128", LinearKind::fp8, 128});
}

/// Calls test(shape, random) for every shape.
template <class Test>
void for_each_shape(Test test) {
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    Random random(seed);
    for (const ModelShape& shape : model_shapes()) {
        CAPTURE(shape.name);
        test(shape, random);
    }
}

/// What LinearKernels::qkv does, with queries, keys and values in one row again.
class QkvCase {
  public:
    QkvCase(const Fused& fused, HeadShape shape, int hidden, Random& random)
        : shape_(shape),
          half_(shape.head_dim / 2),
          product_(fused.product(random, shape.qkv_dim(), hidden)),
          bias_(random.floats(size_t(shape.qkv_dim()))),
          slots_(random.permutation(kBlocks * kBlockTokens)),
          device_bias_(to_device(bias_)) {
        slots_.resize(kMaxRows);
        for (int row : {3, 60, 61, 130})  // padding
            if (row < kMaxRows) slots_[size_t(row)] = -1;
        const auto angles = random.floats(size_t(kMaxRows) * size_t(half_), 2);
        for (float angle : angles)
            rotations_.push_back({1.1f * std::cos(angle), 1.1f * std::sin(angle)});
        device_slots_ = to_device(slots_), device_rotations_ = to_device(rotations_);
    }

    std::vector<Expected> expected(Random& random) const {
        const int n_pairs = shape_.qkv_dim() / 2;
        const auto pairs = some_columns(random, n_pairs, 2.0 * kMaxRows * product_.k);
        return expect<2>(kMaxRows, pairs, [&](int row, int pair, Expected* out) {
            const int head = pair / half_, i = pair % half_;
            const int low = head * shape_.head_dim + i, high = low + half_;
            const float2 turn = rotations_[size_t(row) * size_t(half_) + size_t(i)];
            BoundedPair is{biased(row, low), biased(row, high)};
            if (head < shape_.n_heads + shape_.n_kv_heads)
                is = rotate(is.low, is.high, double(turn.x), double(turn.y));
            const Bounded padding{0, 0};
            const bool pads = slots_[size_t(row)] < 0;
            const size_t begin = size_t(row) * size_t(shape_.qkv_dim());
            out[0] = {begin + size_t(low), pads ? padding : rounded(is.low, kBf16Bits)};
            out[1] = {begin + size_t(high), pads ? padding : rounded(is.high, kBf16Bits)};
        });
    }

    /// Padding rows are zeros here: their queries may be anything, the rest must not be there.
    std::vector<bf16_t> launch(const LinearKernels& products, int first, int n) const {
        const size_t cache_size = size_t(kBlocks) * kBlockTokens * size_t(shape_.kv_dim());
        Output<bf16> queries(size_t(n) * size_t(shape_.q_dim())), keys(cache_size),
            values(cache_size);
        products.qkv({product_.weights(),
                      product_.input(first),
                      device_bias_.get(),
                      device_rotations_.get() + size_t(first) * size_t(half_),
                      device_slots_.get() + first,
                      shape_,
                      queries.get(),
                      {keys.get(), values.get()}},
                     n, test_stream());
        const auto q = queries.read();
        auto k = keys.read(), v = values.read();
        std::vector<bf16_t> rows(size_t(n) * size_t(shape_.qkv_dim()));
        for (int row = 0; row < n; row++) {
            const int slot = slots_[size_t(first + row)];
            if (slot < 0) continue;
            bf16_t* to = rows.data() + size_t(row) * size_t(shape_.qkv_dim());
            to = std::copy_n(q.data() + size_t(row) * size_t(shape_.q_dim()), shape_.q_dim(), to);
            auto move_out = [&](std::vector<bf16_t>& cache, auto at) {
                for (int head = 0; head < shape_.n_kv_heads; head++)
                    for (int dim = 0; dim < shape_.head_dim; dim++)
                        *to++ =
                            std::exchange(cache[at(shape_, size_t(slot), head, dim)], kUntouched);
            };
            move_out(k, key_at);
            move_out(v, value_at);
        }
        auto untouched = [](bf16_t x) { return x == kUntouched; };
        CHECK(std::all_of(k.begin(), k.end(), untouched));
        CHECK(std::all_of(v.begin(), v.end(), untouched));
        return rows;
    }

  private:
    static constexpr int kBlocks = 24;

    Bounded biased(int row, int column) const {
        const Bounded x = product_.normed(row, column);
        const double sum = x.value + double(bias_[size_t(column)]);
        return rounded({sum, x.bound}, kFloatBits);
    }

    HeadShape shape_;
    int half_;
    Product product_;
    std::vector<float> bias_;
    std::vector<float2> rotations_;
    std::vector<int32_t> slots_;
    DeviceBuffer<float> device_bias_;
    DeviceBuffer<float2> device_rotations_;
    DeviceBuffer<int32_t> device_slots_;
};

/// hidden += x · Wᵀ, and what the next norm wants. Returns the stream and the sums of squares.
class AddCase {
  public:
    AddCase(const Fused& fused, int width, int k, Random& random)
        : square_width_(size_t(fused.products.square_width)),
          n_sums_((size_t(width) + square_width_ - 1) / square_width_),
          product_(fused.product(random, width, k)),
          hidden_(random.floats(size_t(kMaxRows) * size_t(width), 3)),
          norm_(random.floats(size_t(width), 0.3f, 1)),
          device_norm_(to_device(norm_)) {}

    size_t row_size() const { return size_t(product_.n) + n_sums_; }

    std::vector<Expected> expected(Random& random) const {
        const auto columns = some_columns(random, product_.n, double(kMaxRows) * product_.k);
        return expect(kMaxRows, columns, [&](int row, int column, Expected* out) {
            Bounded sum = product_.plain(row, column);
            sum.value += double(hidden_[size_t(row) * size_t(product_.n) + size_t(column)]);
            *out = {size_t(row) * row_size() + size_t(column), rounded(sum, kFloatBits)};
        });
    }

    std::vector<float> launch(const LinearKernels& products, int first, int n,
                              Tally& squares_tally) const {
        return run(first, n, squares_tally, [&](const ResidualStream& stream) {
            products.add(product_.weights(), product_.x(first), stream, n, test_stream());
        });
    }

    /// The same in two: the sums alone, and what is done with them.
    std::vector<float> launch_partial(const LinearKernels& products, int first, int n,
                                      Tally& sums_tally, Tally& squares_tally,
                                      const std::vector<Expected>& expected) const {
        Output<float> partial(size_t(n) * size_t(product_.n));
        products.partial(product_.weights(), product_.x(first), partial.get(), n, test_stream());
        if (first == 0) sums_tally.check(partial.read(), expected);
        return run(first, n, squares_tally, [&](const ResidualStream& stream) {
            add_partial_sums({{partial.get()}, 1}, stream, int(square_width_), n, product_.n,
                             test_stream());
        });
    }

    /// What launch_partial()'s sums should be.
    std::vector<Expected> expected_partial(Random& random) const {
        const auto columns = some_columns(random, product_.n, double(kMaxRows) * product_.k);
        return expect(kMaxRows, columns, [&](int row, int column, Expected* out) {
            *out = {size_t(row) * size_t(product_.n) + size_t(column),
                    rounded(product_.plain(row, column), kFloatBits)};
        });
    }

  private:
    /// What launch(stream) makes of n rows, row by row; checks the next norm's input.
    template <class Launch>
    std::vector<float> run(int first, int n, Tally& squares_tally, Launch launch) const {
        const size_t width = size_t(product_.n);
        Output<float> hidden(size_t(n) * width), squares(size_t(n) * n_sums_);
        Output<bf16> next_x(size_t(n) * width);
        upload(hidden.get(), hidden_.data() + size_t(first) * width, size_t(n) * width);
        launch(ResidualStream{hidden.get(), device_norm_.get(), next_x.get(), squares.get()});
        const auto sums = hidden.read(), sums_of_squares = squares.read();
        // Of the very sums the kernel made: a product and its rounding is exact, and n squares
        // are summed in as many roundings.
        bool is_exact = true;
        const auto x = next_x.read();
        for (size_t i = 0; i < x.size(); i++)
            is_exact &= x[i] == float_to_bf16(sums[i] * norm_[i % width]);
        CHECK(is_exact);
        std::vector<Expected> squared(sums_of_squares.size());
        for (size_t i = 0; i < squared.size(); i++) {
            const size_t row = i / n_sums_, begin = i % n_sums_ * square_width_;
            double sum = 0;
            for (size_t j = begin; j < std::min(begin + square_width_, width); j++)
                sum += double(sums[row * width + j]) * double(sums[row * width + j]);
            squared[i] = {i, {sum, double(square_width_) * 0x1p-24 * sum}};
        }
        squares_tally.check(sums_of_squares, squared);
        std::vector<float> rows;
        for (size_t row = 0; row < size_t(n); row++) {
            rows.insert(rows.end(), &sums[row * width], &sums[row * width] + width);
            rows.insert(rows.end(), &sums_of_squares[row * n_sums_],
                        &sums_of_squares[row * n_sums_] + n_sums_);
        }
        return rows;
    }

    size_t square_width_, n_sums_;  // columns of a sum of squares; sums of a row
    Product product_;
    std::vector<float> hidden_, norm_;
    DeviceBuffer<float> device_norm_;
};

void check_logits(const Fused& fused, Tally& tally, Random& random, int vocab, int hidden) {
    const LinearKernels& products = fused.products;
    const Product product = fused.product(random, vocab, hidden);
    const size_t width = size_t(vocab);
    const auto columns = some_columns(random, vocab, double(kMaxRows) * hidden);
    const auto expected = expect(kMaxRows, columns, [&](int row, int column, Expected* out) {
        *out = {size_t(row) * width + size_t(column),
                rounded(product.normed(row, column), kFloatBits)};
    });
    auto launch = [&](LinearInput input, int n) {
        Output<float> logits(size_t(n) * width);
        products.logits(product.weights(), input, logits.get(), n, test_stream());
        return logits.read();
    };
    check_rows<float>(tally, expected, width,
                      [&](int first, int n) { return launch(product.input(first), n); });
    const auto all = launch(product.input(), kSkinnyRows * 5);
    for (int n : {1, 5, 8, 20}) {
        if (!products.gathers) break;
        CAPTURE(n);
        std::vector<int32_t> row_of;
        for (int i = 0; i < n; i++) row_of.push_back(random.below(kSkinnyRows * 5));
        const DeviceBuffer<int32_t> device_row_of = to_device(row_of);
        LinearInput input = product.input();
        input.row_of = device_row_of.get();
        const auto gathered = launch(input, n);
        for (size_t i = 0; i < row_of.size(); i++)
            CHECK(same_bits(&gathered[i * width], &all[size_t(row_of[i]) * width], width));
    }
    // Normed already, as after rmsnorm().
    LinearInput input = product.input();
    input.squares = nullptr;
    const auto plain = expect(kSkinnyRows, columns, [&](int row, int column, Expected* out) {
        *out = {size_t(row) * width + size_t(column),
                rounded(product.plain(row, column), kFloatBits)};
    });
    tally.check(launch(input, kSkinnyRows), plain);
}

void check_gate_up(const Fused& fused, Tally& tally, Random& random, const ModelShape& shape,
                   const std::vector<Activation>& activations) {
    const LinearKernels& products = fused.products;
    const int inner = shape.inner;
    const Product product = fused.product(random, 2 * inner, shape.hidden);
    const auto columns = some_columns(random, inner, 2.0 * kMaxRows * shape.hidden);
    for (Activation activation : activations) {
        CAPTURE(int(activation));
        const auto expected = expect(kMaxRows, columns, [&](int row, int column, Expected* out) {
            const Bounded gated = activation_times(activation, product.normed(row, column),
                                                   product.normed(row, inner + column));
            *out = {size_t(row) * size_t(inner) + size_t(column), rounded(gated, kBf16Bits)};
        });
        check_rows<bf16_t>(tally, expected, size_t(inner), [&](int first, int n) {
            Output<bf16> out(size_t(n) * size_t(inner));
            products.gate_up(product.weights(), product.input(first), activation, out.get(), n,
                             test_stream());
            return out.read();
        });
    }
}

}  // namespace

TEST_CASE("linear: qkv multiplies, adds the bias, rotates and files") {
    for_each_kind([](const Fused& fused) {
        Tally tally("qkv, " + fused.name);
        for_each_shape([&](const ModelShape& shape, Random& random) {
            if (!fused.takes(shape.hidden)) return;
            const QkvCase test(fused, shape.heads, shape.hidden, random);
            check_rows<bf16_t>(
                tally, test.expected(random), size_t(shape.heads.qkv_dim()),
                [&](int first, int n) { return test.launch(fused.products, first, n); });
        });
    });
}

TEST_CASE("linear: add adds to the stream and prepares the next norm") {
    for_each_kind([](const Fused& fused) {
        Tally tally("add, " + fused.name), squares("squares, " + fused.name);
        for_each_shape([&](const ModelShape& shape, Random& random) {
            for (int k : {shape.heads.q_dim(), shape.inner}) {
                CAPTURE(k);
                if (!fused.takes(k)) continue;
                const AddCase test(fused, shape.hidden, k, random);
                check_rows<float>(tally, test.expected(random), test.row_size(),
                                  [&](int first, int n) {
                                      return test.launch(fused.products, first, n, squares);
                                  });
            }
        });
    });
}

TEST_CASE("linear: a partial product gives the sums alone, of which the rest of add has its bits") {
    for_each_kind([](const Fused& fused) {
        Tally sums("partial, " + fused.name), squares("squares of partial, " + fused.name);
        for_each_shape([&](const ModelShape& shape, Random& random) {
            // A whole k, and the one that each of two ranks has.
            for (int k : {shape.heads.q_dim(), shape.inner, shape.inner / 64 * 32}) {
                CAPTURE(k);
                if (!fused.takes(k)) continue;
                const AddCase test(fused, shape.hidden, k, random);
                const auto expected = test.expected_partial(random);
                for (int n : kRowCounts) {
                    if (n > kMaxRows) break;
                    CAPTURE(n);
                    for (int first : {0, n < kMaxRows ? 1 : 0})
                        CHECK(same_bits(
                            test.launch_partial(fused.products, first, n, sums, squares, expected),
                            test.launch(fused.products, first, n, squares)));
                }
            }
        });
    });
}

TEST_CASE("linear: gate_up multiplies and gates") {
    for_each_kind([](const Fused& fused) {
        Tally tally("gate_up, " + fused.name);
        for_each_shape([&](const ModelShape& shape, Random& random) {
            if (fused.takes(shape.hidden))
                check_gate_up(fused, tally, random, shape, {Activation::silu});
        });
    });
}

TEST_CASE("linear: gate_up with other activations") {
    std::vector<Activation> others;
    for (const auto& [name, activation] : named_activations())
        if (activation != Activation::silu) others.push_back(activation);
    for_each_kind([&](const Fused& fused) {
        Tally tally("gate_up with other activations, " + fused.name);
        Random random(test_seed());
        for (const ModelShape& shape : {model_shapes()[1], model_shapes().back()})
            if (fused.takes(shape.hidden)) check_gate_up(fused, tally, random, shape, others);
    });
}

TEST_CASE("linear: logits, of gathered rows and normed ones too") {
    for_each_kind([](const Fused& fused) {
        Tally tally("logits, " + fused.name);
        for_each_shape([&](const ModelShape& shape, Random& random) {
            const bool whole = shape.hidden == 896 && shape.heads.head_dim == 64 && !is_quick();
            if (!fused.takes(shape.hidden)) return;
            check_logits(fused, tally, random,
                         whole                 ? 151936
                         : shape.hidden < 1024 ? 384
                                               : 8224,
                         shape.hidden);
        });
    });
}
