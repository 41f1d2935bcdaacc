// Attention over a scattered cache against its twin. Queries are of three kinds: random ones; ones
// that point at a single key, so that each key is missed where it counts, some of them so much that
// its score is far out of an exponential's range beside the others'; and zeros over whole numbers,
// which count the keys exactly (attend_evenly).

#include "gpu/attention/attention.h"
#include "gpu/attention/shared_prefix.h"
#include "gpu/linear/linear.h"
#include "tests/gpu/kernel_test.h"

using namespace qwend;

namespace {

enum class Kind { random, counting };

/// Contexts of some lanes, as sequences of their own and as the paged cache has them.
class Contexts {
  public:
    Contexts(Random& random, HeadShape shape, Kind kind, std::vector<int> lengths)
        : shape(shape), kind(kind), lengths(std::move(lengths)) {
        int widest = 0;
        for (int length : this->lengths) {
            const int blocks = (length + kBlockTokens - 1) / kBlockTokens;
            n_blocks += blocks, widest = std::max(widest, blocks);
            const size_t n = size_t(length) * size_t(shape.kv_dim());
            keys_.push_back(random.bf16s(n));
            values_.push_back(kind == Kind::counting ? random.integers(n) : random.bf16s(n));
        }
        table_width = widest + 3;
        tables_.assign(this->lengths.size() * size_t(table_width), 0);
        // Whatever is no token is large, to be seen where it should not be.
        const size_t n = size_t(n_blocks) * kBlockTokens * size_t(shape.kv_dim());
        auto paged_keys = random.bf16s(n, 30), paged_values = random.bf16s(n, 1000);
        const std::vector<int32_t> order = random.permutation(n_blocks - 1);
        size_t used = 0;
        for (size_t lane = 0; lane < this->lengths.size(); lane++) {
            int32_t* table = &tables_[lane * size_t(table_width)];
            for (int b = 0; b * kBlockTokens < this->lengths[lane]; b++)
                table[b] = 1 + order[used++];
            scatter(lane, table, paged_keys, paged_values);
        }
        device_keys_ = to_device(paged_keys), device_values_ = to_device(paged_values);
        device_tables_ = to_device(tables_);
    }

    const bf16_t* key(int lane, int kv_head, int token) const {
        return keys_[size_t(lane)].data() + at(lane, kv_head, token);
    }
    const bf16_t* value(int lane, int kv_head, int token) const {
        return values_[size_t(lane)].data() + at(lane, kv_head, token);
    }
    KvCache cache() const { return {device_keys_.get(), device_values_.get()}; }
    const int32_t* tables() const { return device_tables_.get(); }
    const int32_t* host_table(int lane) const {
        return tables_.data() + size_t(lane) * size_t(table_width);
    }

    const HeadShape shape;
    const Kind kind;
    const std::vector<int> lengths;
    int n_blocks = 1;  // the first is nobody's
    int table_width = 0;

  private:
    size_t at(int lane, int kv_head, int token) const {
        return (size_t(kv_head) * size_t(lengths[size_t(lane)]) + size_t(token)) *
               size_t(shape.head_dim);
    }
    void scatter(size_t lane, const int32_t* table, std::vector<bf16_t>& paged_keys,
                 std::vector<bf16_t>& paged_values) const {
#pragma omp parallel for
        for (int token = 0; token < lengths[lane]; token++) {
            const size_t slot =
                size_t(table[token / kBlockTokens]) * kBlockTokens + size_t(token % kBlockTokens);
            for (int head = 0; head < shape.n_kv_heads; head++)
                for (int dim = 0; dim < shape.head_dim; dim++) {
                    paged_keys[key_at(shape, slot, head, dim)] = key(int(lane), head, token)[dim];
                    paged_values[value_at(shape, slot, head, dim)] =
                        value(int(lane), head, token)[dim];
                }
        }
    }

    std::vector<std::vector<bf16_t>> keys_, values_;  // by lane: (n_kv_heads, length, head_dim)
    std::vector<int32_t> tables_;
    DeviceBuffer<bf16> device_keys_, device_values_;
    DeviceBuffer<int32_t> device_tables_;
};

/// A query: it sees the first `context` tokens of its lane; 0: padding.
struct Row {
    int lane, context;
};

/// (rows, q_dim)
std::vector<bf16_t> make_queries(Random& random, const Contexts& contexts,
                                 const std::vector<Row>& rows) {
    const HeadShape shape = contexts.shape;
    const size_t dims = size_t(shape.head_dim);
    if (contexts.kind == Kind::counting)
        return std::vector<bf16_t>(rows.size() * size_t(shape.q_dim()), 0);
    auto queries = random.bf16s(rows.size() * size_t(shape.q_dim()));
    for (size_t i = 0; i < rows.size() * size_t(shape.n_heads); i++) {
        const int row = int(i) / shape.n_heads, head = int(i) % shape.n_heads;
        const auto [lane, context] = rows[size_t(row)];
        if ((row + head) % 2 == 0 || context == 0) continue;
        const int targets[] = {context - 1, 0, (context - 1) / kBlockTokens * kBlockTokens,
                               random.below(context), random.below(context)};
        const bf16_t* key = contexts.key(lane, head / shape.group(), targets[random.below(5)]);
        const float factors[] = {3, 3, 9, 40};  // of scores by 2^35, 2^100 and 2^460 above others
        const float factor = factors[random.below(4)];
        for (size_t d = 0; d < dims; d++)
            queries[i * dims + d] = float_to_bf16(factor * bf16_to_float(key[d]));
    }
    return queries;
}

std::vector<Expected> expect_attention(const Contexts& contexts, const std::vector<Row>& rows,
                                       const std::vector<bf16_t>& queries) {
    const HeadShape shape = contexts.shape;
    const size_t dims = size_t(shape.head_dim);
    std::vector<Expected> expected(queries.size());
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < queries.size() / dims; i++) {
        const auto [lane, context] = rows[i / size_t(shape.n_heads)];
        const int kv_head = int(i) % shape.n_heads / shape.group();
        std::vector<Bounded> out(dims, {0, INFINITY});
        if (context > 0 && contexts.kind == Kind::counting)
            attend_evenly(contexts.value(lane, kv_head, 0), context, shape.head_dim, out.data());
        else if (context > 0)
            attend(&queries[i * dims], contexts.key(lane, kv_head, 0),
                   contexts.value(lane, kv_head, 0), context, shape.head_dim, out.data());
        for (size_t d = 0; d < dims; d++) expected[i * dims + d] = {i * dims + d, out[d]};
    }
    return expected;
}

/// The rows that `chosen` names as decode attention wants them.
class DecodeCase {
  public:
    DecodeCase(const Contexts& contexts, const std::vector<Row>& rows,
               const std::vector<bf16_t>& queries, const std::vector<int32_t>& chosen)
        : contexts_(contexts),
          n_(chosen.size()),
          n_arrivals_(n_ * size_t(contexts.shape.n_kv_heads) * kMaxGroup),
          partials_(n_arrivals_ * kMaxKvSplits * size_t(contexts.shape.head_dim + 2)),
          arrivals_(n_arrivals_),
          out_(n_ * size_t(contexts.shape.q_dim())) {
        const size_t width = size_t(contexts.shape.q_dim());
        std::vector<int32_t> lanes, lengths;
        std::vector<bf16_t> taken;
        for (int32_t row : chosen) {
            lanes.push_back(rows[size_t(row)].lane), lengths.push_back(rows[size_t(row)].context);
            taken.insert(taken.end(), &queries[size_t(row) * width],
                         &queries[size_t(row) * width] + width);
        }
        lanes_ = to_device(lanes), lengths_ = to_device(lengths), queries_ = to_device(taken);
        const std::vector<int32_t> zeros(n_arrivals_);
        upload(arrivals_.get(), zeros.data(), n_arrivals_);
    }
    ~DecodeCase() { CHECK(arrivals_.read() == std::vector<int32_t>(n_arrivals_)); }

    DecodeAttentionArgs args() const {
        return {queries_.get(),     contexts_.cache(),     lengths_.get(), lanes_.get(),
                contexts_.tables(), contexts_.table_width, int(n_),        contexts_.shape,
                partials_.get(),    arrivals_.get(),       out_.get()};
    }
    std::vector<bf16_t> out() const { return out_.read(); }

  private:
    const Contexts& contexts_;
    size_t n_, n_arrivals_;
    DeviceBuffer<int32_t> lanes_, lengths_;
    DeviceBuffer<bf16> queries_;
    Output<float> partials_;
    Output<int32_t> arrivals_;
    Output<bf16> out_;
};

using DecodeKernel = void (*)(const DecodeAttentionArgs&, const Stream&);

/// What the kernel makes of the rows that `chosen` names.
std::vector<bf16_t> decode(DecodeKernel kernel, const Contexts& contexts,
                           const std::vector<Row>& rows, const std::vector<bf16_t>& queries,
                           const std::vector<int32_t>& chosen) {
    const DecodeCase decode(contexts, rows, queries, chosen);
    kernel(decode.args(), test_stream());
    return decode.out();
}

/// A row's result alone and beside others, in any place; but padding's, which is nothing.
void check_split_kv_bits(Random& random, const Contexts& contexts, const std::vector<Row>& rows,
                         const std::vector<bf16_t>& queries, const std::vector<bf16_t>& all) {
    const size_t width = size_t(contexts.shape.q_dim());
    for (int n = 1; n <= std::min(int(rows.size()), kMaxSplitKvRows); n++) {
        CAPTURE(n);
        std::vector<int32_t> chosen = random.permutation(int(rows.size()));
        chosen.resize(size_t(n));
        const auto out = decode(decode_attention_split_kv_sm90, contexts, rows, queries, chosen);
        for (size_t i = 0; i < chosen.size(); i++) {
            const size_t row = size_t(chosen[i]);
            if (rows[row].context > 0) CHECK(same_bits(&out[i * width], &all[row * width], width));
        }
    }
}

/// What the rows' beginnings read once, and each one's rest, come to; what neighbours of one lane
/// have of it is shared. Nothing where nothing is.
std::vector<bf16_t> decode_sharing(const Contexts& contexts, const std::vector<Row>& rows,
                                   const std::vector<bf16_t>& queries, int n) {
    SharedPrefixPlanner planner(contexts.shape, 0);
    std::vector<SharingRow> sharing;
    std::vector<int32_t> chosen;
    for (int i = 0; i < n; i++) {
        const auto [lane, context] = rows[size_t(i)];
        sharing.push_back({lane, contexts.host_table(lane), old_tiles(context)});
        chosen.push_back(i);
    }
    const int padded = n + 3;
    if (!planner.plan(sharing, padded)) return {};
    std::vector<SharedPrefixItem> items(planner.items().begin(), planner.items().end());
    items.resize(size_t(planner.most_items(padded)));
    const auto order =
        to_device(std::vector(planner.row_order().begin(), planner.row_order().end()));
    const auto prefixes =
        to_device(std::vector(planner.prefixes().begin(), planner.prefixes().end()));
    const auto device_items = to_device(items);
    const Output<float> partials(shared_partial_floats(int(items.size()), contexts.shape));
    const SharedPrefixes shared{order.get(), prefixes.get(), device_items.get(), int(items.size())};
    const DecodeCase decode(contexts, rows, queries, chosen);
    decode_attention_shared_prefix(decode.args(), shared, partials.get(), test_stream());
    decode_attention_suffix(decode.args(), shared, partials.get(), test_stream());
    return decode.out();
}

struct DecodeTallies {
    Tally split_kv{"decode_attention_split_kv_sm90"}, batched{"decode_attention_batched"};
    Tally shared{"decode_attention_shared_prefix"};
};

void check_decode(Random& random, HeadShape shape, Kind kind, const std::vector<int>& lengths,
                  DecodeTallies& tallies) {
    const Contexts contexts(random, shape, kind, lengths);
    std::vector<Row> rows;
    for (size_t lane = 0; lane < lengths.size(); lane++) {
        rows.push_back({int(lane), lengths[lane]});
        if (lane == 3) rows.push_back({0, 0});
    }
    const int n_own = int(rows.size());
    // More rows, of short contexts, so that decode_attention_batched takes each of its ways.
    for (int i = n_own; i < 200; i++) {
        const int lane = random.below(int(lengths.size()));
        const int most = is_quick() ? 200 : 600;
        const int seen = 1 + random.below(std::min(lengths[size_t(lane)], most));
        rows.push_back({lane, i % 50 == 49 ? 0 : seen});
    }
    const auto queries = make_queries(random, contexts, rows);
    const auto expected = expect_attention(contexts, rows, queries);
    for (int n : {n_own, 1, 8, 100, 200}) {
        CAPTURE(n);
        std::vector<int32_t> first_rows;
        for (int i = 0; i < n; i++) first_rows.push_back(i);
        auto run = [&](DecodeKernel kernel) {
            return decode(kernel, contexts, rows, queries, first_rows);
        };
        const auto out = run(decode_attention_batched);
        tallies.batched.check(out, expected);
        auto differ_only_in_padding = [&](const std::vector<bf16_t>& again) {
            bool same = true;
            for (const Expected& e : expected)
                same &= e.at >= out.size() || std::isinf(e.value.bound) || out[e.at] == again[e.at];
            return same;
        };
        CHECK(differ_only_in_padding(run(decode_attention_batched)));
        const auto sharing = decode_sharing(contexts, rows, queries, n);
        CHECK(sharing.empty() == (n < 100));  // few rows of a lane each
        if (!sharing.empty()) tallies.shared.check(sharing, expected);
        if (n > n_own || !test_device().has_clusters()) continue;
        const auto split = run(decode_attention_split_kv_sm90);
        tallies.split_kv.check(split, expected);
        if (n == n_own) {
            const std::vector<Row> own(rows.begin(), rows.begin() + n_own);
            check_split_kv_bits(random, contexts, own, queries, split);
        }
    }
}

/// The product that follows attention, and the stream that it is added to.
class AfterAttention {
  public:
    AfterAttention(Random& random, HeadShape shape, int width, int n_rows)
        : width_(size_t(width)),
          k_(shape.q_dim()),
          hidden_(random.floats(size_t(n_rows) * width_, 3)),
          weights_(to_device(random.bf16s(width_ * size_t(k_), 1 / std::sqrt(float(k_))))),
          norm_(to_device(random.floats(width_, 0.3f, 1))) {}

    struct Result {
        std::vector<float> hidden, squares;
        std::vector<bf16_t> x;
    };
    /// What launch(weights, stream) makes of n rows.
    template <class Launch>
    Result run(int n, Launch launch) const {
        const size_t size = size_t(n) * width_;
        Output<float> hidden(size), squares(size / 8);
        Output<bf16> x(size);
        upload(hidden.get(), hidden_.data(), size);
        launch(DenseWeights{weights_.get(), int(width_), k_},
               ResidualStream{hidden.get(), norm_.get(), x.get(), squares.get()});
        return {hidden.read(), squares.read(), x.read()};
    }
    /// Whether the two are the same in the rows that have a context.
    bool same(const Result& a, const Result& b, const std::vector<Row>& rows) const {
        bool is_same = true;
        for (size_t row = 0; row < rows.size(); row++) {
            if (rows[row].context == 0) continue;
            const size_t at = row * width_;
            is_same &= same_bits(&a.hidden[at], &b.hidden[at], width_);
            is_same &= same_bits(&a.squares[at / 8], &b.squares[at / 8], width_ / 8);
            is_same &= same_bits(&a.x[at], &b.x[at], width_);
        }
        return is_same;
    }

  private:
    size_t width_;
    int k_;
    std::vector<float> hidden_;
    DeviceBuffer<bf16> weights_;
    DeviceBuffer<float> norm_;
};

struct PrefillTallies {
    Tally warps{"prefill_attention, warps"}, warpgroups{"prefill_attention, warpgroups"};
};

/// A run of queries at the end of its lane's context.
struct Run {
    int position, n_query;
};

/// Cuts runs into tiles of at most so many queries, of random length if `randomly`.
std::vector<PrefillTile> cut(Random& random, int most, const std::vector<Run>& runs, bool is_causal,
                             bool randomly) {
    std::vector<PrefillTile> tiles;
    int query = 0;
    for (size_t lane = 0; lane < runs.size(); lane++)
        for (int done = 0; done < runs[lane].n_query;) {
            const int wanted = randomly ? 1 + random.below(most) : most;
            const int n = std::min(wanted, runs[lane].n_query - done);
            const int seen = is_causal ? done + n : runs[lane].n_query;
            tiles.push_back({query, n, runs[lane].position + seen, int(lane)});
            query += n, done += n;
        }
    tiles.push_back({});  // padding of a captured step
    std::vector<PrefillTile> shuffled;
    for (int32_t i : random.permutation(int(tiles.size()))) shuffled.push_back(tiles[size_t(i)]);
    return shuffled;
}

void check_prefill(Random& random, HeadShape shape, Kind kind, const std::vector<Run>& runs,
                   bool is_causal, PrefillTallies& tallies) {
    CAPTURE(is_causal);
    std::vector<int> lengths;
    std::vector<Row> rows;
    for (const Run& run : runs) {
        for (int i = 0; i < run.n_query; i++)
            rows.push_back({int(lengths.size()), run.position + (is_causal ? i + 1 : run.n_query)});
        lengths.push_back(run.position + run.n_query);
    }
    const Contexts contexts(random, shape, kind, lengths);
    const auto queries = make_queries(random, contexts, rows);
    const auto expected = expect_attention(contexts, rows, queries);
    const DeviceBuffer<bf16> device_queries = to_device(queries);
    auto check = [&](const PrefillAttention& attention, Tally& tally) {
        auto run = [&](bool randomly) {
            const int most = attention.tile_rows(shape.head_dim).most / shape.group();
            const auto tiles = cut(random, most, runs, is_causal, randomly);
            const DeviceBuffer<PrefillTile> device_tiles = to_device(tiles);
            const Output<bf16> out(queries.size());
            attention.attend({device_queries.get(), contexts.cache(), contexts.n_blocks,
                              device_tiles.get(), contexts.tables(), contexts.table_width,
                              int(tiles.size()), shape, out.get(), is_causal},
                             test_stream());
            return out.read();
        };
        const auto out = run(false);
        tally.check(out, expected);
        for (int turn = 0; turn < 3; turn++) CHECK(same_bits(out, run(true)));
    };
    check(kPrefillMma, tallies.warps);
    if (test_device().has_wgmma) check(kPrefillWgmmaSm90, tallies.warpgroups);
}

struct AttentionShape {
    HeadShape heads;
    bool is_published;  // then long contexts too
};
std::vector<AttentionShape> attention_shapes() {
    if (is_quick()) return {{{14, 2, 64}, false}, {{5, 1, 128}, false}};
    std::vector<AttentionShape> shapes = {
        {{14, 2, 64}, true}, {{12, 2, 128}, true}, {{28, 4, 128}, true}, {{40, 8, 128}, false}};
    for (int head_dim : {64, 128})
        for (int group : {1, 5, 6, 7, 8}) shapes.push_back({{2 * group, 2, head_dim}, false});
    return shapes;
}

/// Calls test(shape, kind, random) for every shape and kind of query.
template <class Test>
void for_each_shape(Test test) {
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    Random random(seed);
    for (const AttentionShape& shape : attention_shapes())
        for (Kind kind : {Kind::random, Kind::counting}) {
            CAPTURE(shape.heads.n_heads);
            CAPTURE(shape.heads.n_kv_heads);
            CAPTURE(shape.heads.head_dim);
            CAPTURE(int(kind));
            test(shape, kind, random);
        }
}

}  // namespace

TEST_CASE("attention: one query a row over contexts of any length") {
    DecodeTallies tallies;
    if (!test_device().has_clusters())
        MESSAGE("no clusters of blocks for decode_attention_split_kv_sm90");
    for_each_shape([&](const AttentionShape& shape, Kind kind, Random& random) {
        std::vector<int> lengths = {1, 17, 127, 1025, kKvSplitTokens + 1};
        if (!is_quick())
            lengths.insert(lengths.end(),
                           {15, 16, 31, 512, 513, 2047, 2048, 2049, 5000, kKvSplitTokens});
        // More than kMaxKvSplits splits of the least length would hold.
        if (shape.is_published) lengths.push_back(kMaxKvSplits * kKvSplitTokens + 5000);
        check_decode(random, shape.heads, kind, lengths, tallies);
    });
}

TEST_CASE("attention: fused with the product after it, the bits of the two kernels") {
    const HeadShape shape{14, 2, 64};
    const int width = 896;
    if (!can_fuse_o_proj(test_device(), shape, width)) {
        MESSAGE("no clusters of sixteen blocks for decode_attention_o_proj_14x64_sm90");
        return;
    }
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    Random random(seed);
    std::vector<int> lengths = {1, 17, 1025, kKvSplitTokens + 1};
    if (!is_quick())
        lengths.insert(lengths.end(), {16, 1023, 1024, kKvSplitTokens - 1, kKvSplitTokens,
                                       1 + random.below(kKvSplitTokens),
                                       kMaxKvSplits * kKvSplitTokens + 1 + random.below(5000)});
    const Contexts contexts(random, shape, Kind::random, lengths);
    std::vector<Row> rows = {{0, 0}};
    for (size_t lane = 0; lane < lengths.size(); lane++) rows.push_back({int(lane), lengths[lane]});
    const auto queries = make_queries(random, contexts, rows);
    const int n_rows = int(rows.size());
    const AfterAttention after(random, shape, width, n_rows);
    auto check = [&](const std::vector<int32_t>& chosen) {
        const DecodeCase pair(contexts, rows, queries, chosen),
            fused(contexts, rows, queries, chosen);
        std::vector<Row> chosen_rows;
        for (int32_t row : chosen) chosen_rows.push_back(rows[size_t(row)]);
        const int n = int(chosen.size());
        const auto expected = after.run(n, [&](LinearWeights weights, ResidualStream stream) {
            decode_attention_split_kv_sm90(pair.args(), test_stream());
            kSkinnyMma.add(weights, pair.args().out, stream, n, test_stream());
        });
        const auto found = after.run(n, [&](LinearWeights weights, ResidualStream stream) {
            decode_attention_o_proj_14x64_sm90(fused.args(), weights, stream, test_stream());
        });
        CHECK(after.same(expected, found, chosen_rows));
    };
    for (int row = 0; row < n_rows; row++) {
        CAPTURE(rows[size_t(row)].context);
        check({row});
    }
    check(random.permutation(n_rows));
}

TEST_CASE("attention: runs of queries over what came before, however they are cut") {
    PrefillTallies tallies;
    CHECK(test_device().has_wgmma ==
          (test_device().compute_major == 9));  // else half of this would be left out
    for_each_shape([&](const AttentionShape& shape, Kind kind, Random& random) {
        std::vector<Run> runs = {{0, 1},    {0, 15},  {0, 16},    {0, 17},   {0, 300}, {14, 1},
                                 {15, 3},   {31, 33}, {100, 70},  {126, 2},  {511, 2}, {512, 1},
                                 {2046, 3}, {0, 130}, {2040, 40}, {4990, 33}};
        if (shape.is_published) runs.push_back({0, 513}), runs.push_back({32980, 20});
        if (is_quick()) runs.resize(8), runs.push_back({700, 40});  // some turns of the ring
        for (bool is_causal : {true, false})
            check_prefill(random, shape.heads, kind, runs, is_causal, tallies);
    });
}
