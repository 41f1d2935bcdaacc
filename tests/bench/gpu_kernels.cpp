// Every kernel in the shapes of a published checkpoint, each beside the ceiling measured in the
// same run: reading memory once, or the best large product. Weights and caches are taken in turn
// from copies that the L2 cache cannot hold; activations stay in it, as they do in a step. A
// percentage above 100 is what the L2 cache gave. usage: bench-gpu_kernels [SHAPE [KIND]]; KIND:
// skinny_mma, wgmma_sm90, skinny_packed, wgmma_packed, gemm, decode, shared_prefix, prefill,
// elementwise or sampling

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <numeric>
#include <random>

#include "gpu/attention/prefill_tiling.h"
#include "gpu/attention/shared_prefix.h"
#include "gpu/elementwise/elementwise.h"
#include "gpu/lanes.h"
#include "gpu/linear/gemm.h"
#include "gpu/linear/glu_wgmma_sm90.h"
#include "gpu/linear/linear.h"
#include "tests/bench/gpu_ceiling.h"
#include "tests/bench/gpu_inputs.h"
#include "tests/bench/gpu_timer.h"
#include "tests/bench/shapes.h"

using namespace qwend;

namespace {

constexpr int kRows[] = {1, 8, 16, 32, 64, 128, 256};  // of decode
constexpr int kMaxDecode = 256;
constexpr int kTokens[] = {512, 1024, 2048, 4096};  // of prefill
constexpr int kMaxTokens = 4096;
constexpr int kContexts[] = {512, 4096};
constexpr float kEps = 1e-6f;

class KernelBench {
  public:
    explicit KernelBench(const PublishedShape& shape);
    /// All of them, or those of one kind.
    void run(const std::string& kind) {
        const bool all = kind.empty();
        if (all || kind == "skinny_mma") fused("skinny_mma", kSkinnyMma);
        if ((all || kind == "wgmma_sm90") && device().has_wgmma) fused("wgmma_sm90", kWgmmaSm90);
        for (auto [bits, of] : {std::pair{" int4", LinearKind::int4},
                                {" int8", LinearKind::int8},
                                {" fp8", LinearKind::fp8}}) {
            if (all || kind == "skinny_packed")
                fused(std::string("skinny_packed") + bits, kSkinnyPacked, of);
            if ((all || kind == "wgmma_packed") && device().has_wgmma)
                fused(std::string("wgmma_packed") + bits, kWgmmaPackedSm90, of);
        }
        if (all || kind == "gemm") products();
        if (all || kind == "decode") decode_attention();
        if (all || kind == "shared_prefix")
            for (int prefix : {1024, 4096, 16384})
                for (int rows : {32, 64, 256}) shared_prefix(rows, prefix);
        if (all || kind == "prefill") prefill();
        if (all || kind == "elementwise") elementwise();
        if (all || kind == "sampling") sampling();
    }

  private:
    const Device& device() const { return timer_.stream().device(); }
    void fused(const std::string& name, const LinearKernels& products,
               LinearKind kind = LinearKind::dense);
    void products();
    void gate_up_of_prompts(int n);
    void decode_attention();
    void decode_attention(int rows, int context);
    void shared_prefix(int rows, int prefix);
    void prefill();
    void prefill(int n, int position);
    void prefill(const char* name, const PrefillAttention& attention, int n, int position);
    void elementwise();
    void sampling();

    /// Times launch(weights, stream) with another copy of the matrix each time, and prints it.
    template <class Launch>
    void time_product(const std::string& kernel, Matrix m, int rows, size_t output_bytes,
                      Launch launch, LinearKind kind = LinearKind::dense) {
        const Work work = m.work(rows, output_bytes, kind);
        const size_t size = m.bytes(kind) / sizeof(bf16);
        const double seconds = timer_.seconds(Pool::copies(size), [&](int i, const Stream& s) {
            launch(m.weights(pool_.take(size, i), kind), s);
        });
        ceilings_.print(kernel, m.shape(), rows, seconds, work);
    }
    template <class Launch>
    void time_plain(const char* kernel, int width, int rows, double bytes, Launch launch) {
        const double seconds = timer_.seconds(1, [&](int, const Stream& s) { launch(s); });
        ceilings_.print(kernel, fmt::format("width {}", width), rows, seconds, {bytes});
    }
    size_t cache_elements(int rows, int context) const {  // keys and values
        return 2 * size_t(rows) * size_t(context) * size_t(heads_.kv_dim());
    }

    HeadShape heads_;
    int hidden_, inner_, vocab_;
    Matrix qkv_, o_, gate_up_, down_, head_;
    GpuTimer timer_;
    Pool pool_;
    Gemm gemm_;
    Ceilings ceilings_{};
    DeviceBuffer<float> ones_;    // biases, norms, squares, rotations
    DeviceBuffer<float> stream_;  // the residual stream
    DeviceBuffer<bf16> x_, y_;    // of any activation's size
    DeviceBuffer<bf16> keys_, values_;
    DeviceBuffer<float> logits_;
    DeviceBuffer<int32_t> slots_;
};

KernelBench::KernelBench(const PublishedShape& s)
    : heads_{s.heads, s.kv_heads, s.hidden / s.heads},
      hidden_(s.hidden),
      inner_(s.intermediate),
      vocab_(s.vocab),
      qkv_{"qkv", heads_.qkv_dim(), hidden_},
      o_{"o", hidden_, heads_.q_dim()},
      gate_up_{"gate_up", 2 * inner_, hidden_},
      down_{"down", hidden_, inner_},
      head_{"logits", vocab_, hidden_},
      pool_(sizeof(bf16) * std::max({head_.size(), gate_up_.size(),
                                     cache_elements(kMaxDecode, kContexts[1]), size_t(1) << 29}),
            timer_.stream()),
      ones_(filled(size_t(kMaxTokens) * size_t(std::max(hidden_ / 8, heads_.head_dim)), 1)),
      stream_(filled(size_t(kMaxTokens) * size_t(hidden_), 1)),
      x_(size_t(kMaxTokens) * size_t(2 * inner_)),
      y_(x_.size()),
      keys_(size_t(kMaxTokens) * size_t(heads_.kv_dim())),
      values_(keys_.size()),
      logits_(size_t(kMaxDecode) * size_t(vocab_)) {
    std::vector<int32_t> slots(kMaxTokens);
    std::iota(slots.begin(), slots.end(), 0);
    std::shuffle(slots.begin(), slots.end(), std::mt19937(1));
    slots_ = to_device(slots);
    fill_random(x_.get(), x_.size(), 1, timer_.stream());
    timer_.stream().synchronize();
    cudaDeviceProp device;
    CUDA_CHECK(cudaGetDeviceProperties(&device, 0));
    fmt::print(
        "kernels  {}, shape {}; graphs of at least {} launches, {} MiB between two uses of "
        "the same weights\n",
        device.name, s.name, GpuTimer::kMinLaunches, kWorkingSet >> 20);
    ceilings_ = measure_ceilings(pool_, gemm_, timer_);
}

void KernelBench::fused(const std::string& name, const LinearKernels& p, LinearKind kind) {
    std::vector<int> counts(std::begin(kRows), std::end(kRows));
    if (&p == &kWgmmaSm90) counts.insert(counts.end(), std::begin(kTokens), std::end(kTokens));
    for (int n : counts) {
        const LinearInput input{x_.get(), ones_.get(), kEps};
        const ResidualStream stream{stream_.get(), ones_.get(), y_.get(), logits_.get()};
        const size_t stream_bytes = size_t(hidden_) * 10;  // read and written f32, bf16 beside it
        time_product(
            "qkv, " + name, qkv_, n, size_t(qkv_.n) * 2,
            [&](LinearWeights w, const Stream& s) {
                p.qkv({w,
                       input,
                       ones_.get(),
                       reinterpret_cast<float2*>(ones_.get()),
                       slots_.get(),
                       heads_,
                       y_.get(),
                       {keys_.get(), values_.get()}},
                      n, s);
            },
            kind);
        for (const Matrix& m : {o_, down_})
            time_product(
                (m.k == inner_ ? "down, " : "o, ") + name, m, n, stream_bytes,
                [&](LinearWeights w, const Stream& s) { p.add(w, x_.get(), stream, n, s); }, kind);
        time_product(
            "gate_up, " + name, gate_up_, n, size_t(inner_) * 2,
            [&](LinearWeights w, const Stream& s) {
                p.gate_up(w, input, Activation::silu, y_.get(), n, s);
            },
            kind);
        if (n > kMaxDecode) continue;
        time_product(
            "logits, " + name, head_, n, size_t(vocab_) * 4,
            [&](LinearWeights w, const Stream& s) { p.logits(w, input, logits_.get(), n, s); },
            kind);
    }
}

void KernelBench::products() {
    std::vector<int> counts;
    for (int n : kRows)
        if (n > kSkinnyRows) counts.push_back(n);
    counts.insert(counts.end(), std::begin(kTokens), std::end(kTokens));
    for (int n : counts) {
        struct Use {
            const char* kernel;
            Matrix matrix;
            GemmOutput output;
            void* y;
        };
        for (auto [kernel, m, output, y] :
             {Use{"gemm qkv", qkv_, GemmOutput::bf16, y_.get()},
              Use{"gemm o", o_, GemmOutput::add_f32, stream_.get()},
              Use{"gemm gate_up", gate_up_, GemmOutput::bf16, y_.get()},
              Use{"gemm down", down_, GemmOutput::add_f32, stream_.get()},
              Use{"gemm logits", head_, GemmOutput::f32, logits_.get()}}) {
            if (m.n == vocab_ && n > kMaxDecode) continue;
            const size_t element = output == GemmOutput::bf16  ? 2
                                   : output == GemmOutput::f32 ? 4
                                                               : 8;
            time_product(kernel, m, n, size_t(m.n) * element,
                         [&, output = output, y = y](LinearWeights w, const Stream& s) {
                             gemm_.run(w, x_.get(), y, output, n, s);
                         });
        }
        gate_up_of_prompts(n);
    }
}

/// Of a prompt: the product and the gating as two kernels and as one.
void KernelBench::gate_up_of_prompts(int n) {
    const size_t output_bytes = size_t(inner_) * 2;
    time_product(
        "gemm gate_up, glu", gate_up_, n, output_bytes, [&](LinearWeights w, const Stream& s) {
            gemm_.run(w, x_.get(), y_.get(), GemmOutput::bf16, n, s);
            glu(Activation::silu, y_.get(), n, inner_, reinterpret_cast<bf16*>(logits_.get()), s);
        });
    if (device().has_wgmma)
        time_product("glu_wgmma_sm90", gate_up_, n, output_bytes,
                     [&](LinearWeights w, const Stream& s) {
                         glu_wgmma_sm90(w, x_.get(), Activation::silu, y_.get(), n, s);
                     });
}

void KernelBench::decode_attention() {
    for (int context : kContexts)
        for (int n : kRows) decode_attention(n, context);
}

void KernelBench::decode_attention(int rows, int context) {
    const size_t size = cache_elements(rows, context);
    const DeviceBuffer<int32_t> tables = scattered_tables(rows, context);
    std::vector<int32_t> lanes(static_cast<size_t>(rows));
    std::iota(lanes.begin(), lanes.end(), 0);
    const auto device_lanes = to_device(lanes);
    const auto contexts = to_device(std::vector<int32_t>(lanes.size(), context));
    const size_t n_heads = size_t(rows) * size_t(heads_.n_kv_heads) * kMaxGroup;
    const bool splits = rows <= kMaxSplitKvRows && device().has_clusters();
    const DeviceBuffer<float> partials(splits ? n_heads * kMaxKvSplits * size_t(heads_.head_dim + 2)
                                              : 0);
    const auto arrivals = to_device(std::vector<int32_t>(n_heads, 0));
    const Work work{2.0 * double(size) + 4.0 * rows * heads_.q_dim(),
                    4.0 * rows * context * heads_.q_dim()};
    /// launch(args, weights, stream), `weights` those of o.
    auto time = [&](const char* name, Work done, auto launch) {
        const size_t both = size + o_.size();
        const double seconds = timer_.seconds(Pool::copies(both), [&](int i, const Stream& s) {
            bf16* cache = pool_.take(both, i);
            launch(DecodeAttentionArgs{x_.get(),
                                       {cache, cache + size / 2},
                                       contexts.get(),
                                       device_lanes.get(),
                                       tables.get(),
                                       context / kBlockTokens,
                                       rows,
                                       heads_,
                                       partials.get(),
                                       arrivals.get(),
                                       y_.get()},
                   DenseWeights{cache + size, o_.n, o_.k}, s);
        });
        ceilings_.print(name, fmt::format("context {}", context), rows, seconds, done);
    };
    auto plain = [](auto kernel) {
        return [=](const DecodeAttentionArgs& args, LinearWeights, const Stream& s) {
            kernel(args, s);
        };
    };
    if (splits)
        time("decode_attention_split_kv_sm90", work, plain(qwend::decode_attention_split_kv_sm90));
    time("decode_attention_batched", work, plain(qwend::decode_attention_batched));
    if (rows == 1 && can_fuse_o_proj(device(), heads_, hidden_)) {
        const ResidualStream stream{stream_.get(), ones_.get(), y_.get(), logits_.get()};
        const Work product = o_.work(rows, size_t(hidden_) * 10);
        time("decode_attention_o_proj_14x64_sm90",
             {work.bytes + product.bytes, work.flops + product.flops},
             [&](const DecodeAttentionArgs& args, LinearWeights weights, const Stream& s) {
                 decode_attention_o_proj_14x64_sm90(args, weights, stream, s);
             });
    }
}

/// Rows whose contexts are the same but for the last 64 tokens, each by itself and together.
void KernelBench::shared_prefix(int rows, int prefix) {
    const int n_own = 64 / kBlockTokens, n_shared = prefix / kBlockTokens, width = n_shared + n_own;
    const int n_blocks = n_shared + rows * n_own;
    std::vector<int32_t> tables, lanes(static_cast<size_t>(rows));
    std::iota(lanes.begin(), lanes.end(), 0);
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < width; i++)
            tables.push_back(i < n_shared ? i : n_shared + row * n_own + i - n_shared);
    std::vector<SharingRow> sharing;
    for (int row = 0; row < rows; row++)
        sharing.push_back({row, &tables[size_t(row * width)], n_shared + n_own - 1});
    SharedPrefixPlanner planner(heads_, 0);
    planner.plan(sharing, rows);
    std::vector<SharedPrefixItem> items(planner.items().begin(), planner.items().end());
    items.resize(size_t(planner.most_items(rows)));
    auto copy = [](auto span) { return to_device(std::vector(span.begin(), span.end())); };
    const auto order = copy(planner.row_order());
    const auto prefixes = copy(planner.prefixes());
    const auto device_items = to_device(items);
    const auto device_lanes = to_device(lanes);
    const auto device_tables = to_device(tables);
    const auto contexts = to_device(std::vector<int32_t>(lanes.size(), width * kBlockTokens));
    const DeviceBuffer<float> partials(shared_partial_floats(int(items.size()), heads_));
    const SharedPrefixes shared{order.get(), prefixes.get(), device_items.get(), int(items.size())};
    const size_t size = 2 * size_t(n_blocks) * kBlockTokens * size_t(heads_.kv_dim());
    const Work work{2.0 * double(size), 4.0 * rows * width * kBlockTokens * heads_.q_dim()};
    auto time = [&](const char* name, auto launch) {
        const double seconds = timer_.seconds(Pool::copies(size), [&](int i, const Stream& s) {
            bf16* cache = pool_.take(size, i);
            launch(DecodeAttentionArgs{x_.get(),
                                       {cache, cache + size / 2},
                                       contexts.get(),
                                       device_lanes.get(),
                                       device_tables.get(),
                                       width,
                                       rows,
                                       heads_,
                                       nullptr,
                                       nullptr,
                                       y_.get()},
                   s);
        });
        ceilings_.print(name, fmt::format("{} shared + 64", prefix), rows, seconds, work);
    };
    time("decode_attention_batched", qwend::decode_attention_batched);
    time("decode_attention_shared_prefix", [&](const DecodeAttentionArgs& a, const Stream& s) {
        decode_attention_shared_prefix(a, shared, partials.get(), s);
    });
    time("that and decode_attention_suffix", [&](const DecodeAttentionArgs& a, const Stream& s) {
        decode_attention_shared_prefix(a, shared, partials.get(), s);
        decode_attention_suffix(a, shared, partials.get(), s);
    });
}

void KernelBench::prefill() {
    for (int n : {32, 128}) prefill(n, 0);
    for (int n : kTokens) prefill(n, 0);
    prefill(512, kMaxTokens - 512);
}

void KernelBench::prefill(int n, int position) {
    prefill("mma", kPrefillMma, n, position);
    if (device().has_wgmma) prefill("wgmma_sm90", kPrefillWgmmaSm90, n, position);
}

void KernelBench::prefill(const char* name, const PrefillAttention& attention, int n,
                          int position) {
    const int context = position + n;
    const size_t size = cache_elements(1, context);
    const DeviceBuffer<int32_t> tables = scattered_tables(1, context);
    std::vector<PrefillTile> tiles;
    PrefillTiling(heads_, attention.tile_rows(heads_.head_dim))
        .cut(std::vector<PrefillRun>{{0, n, position, 0}}, n, tiles);
    const auto device_tiles = to_device(tiles);
    const double seconds = timer_.seconds(1, [&](int i, const Stream& s) {
        bf16* cache = pool_.take(size, i);
        attention.attend({x_.get(),
                          {cache, cache + size / 2},
                          context / kBlockTokens,
                          device_tiles.get(),
                          tables.get(),
                          context / kBlockTokens,
                          int(tiles.size()),
                          heads_,
                          y_.get()},
                         s);
    });
    const double pairs = double(n) * position + double(n) * (n + 1) / 2;  // of query and key
    ceilings_.print("prefill_attention", fmt::format("{} after {}", name, position), n, seconds,
                    {2.0 * double(size) + 4.0 * n * heads_.q_dim(), 4.0 * pairs * heads_.q_dim()});
}

void KernelBench::elementwise() {
    std::vector<int> counts(std::begin(kRows), std::end(kRows));
    counts.insert(counts.end(), std::begin(kTokens), std::end(kTokens));
    const auto no_updates = to_device(std::vector<int32_t>{0});
    std::vector<int32_t> ids;
    for (int i = 0; i < kMaxTokens; i++) ids.push_back(int32_t(int64_t(i) * 7919 % vocab_));
    const auto tokens = to_device(ids);
    const DeviceBuffer<float2> rotations(size_t(kMaxTokens) * size_t(heads_.head_dim / 2));
    auto* turns = reinterpret_cast<float2*>(ones_.get());
    for (int n : counts) {
        const bool few = n <= kSkinnyRows;
        time_plain("embed", hidden_, n, double(n) * hidden_ * (few ? 8 : 6), [&](const Stream& s) {
            embed({nullptr, no_updates.get(), nullptr, tokens.get(), slots_.get(), nullptr,
                   pool_.get(), ones_.get(), 1, n, hidden_, heads_.head_dim, stream_.get(),
                   rotations.get(), ones_.get(), few ? y_.get() : nullptr, logits_.get(),
                   kSkinnySquareWidth},
                  s);
        });
        time_plain("rmsnorm", hidden_, n, double(n) * hidden_ * 6, [&](const Stream& s) {
            rmsnorm(stream_.get(), nullptr, ones_.get(), kEps, n, hidden_, y_.get(), s);
        });
        time_plain("rope_kv_write", qkv_.n, n, double(n) * qkv_.n * 4, [&](const Stream& s) {
            rope_kv_write(x_.get(), ones_.get(), turns, slots_.get(), n, heads_, y_.get(),
                          {keys_.get(), values_.get()}, s);
        });
        time_plain("swiglu", inner_, n, double(n) * inner_ * 6, [&](const Stream& s) {
            glu(Activation::silu, x_.get(), n, inner_, y_.get(), s);
        });
    }
}

void KernelBench::sampling() {
    std::vector<float> row(static_cast<size_t>(vocab_));
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 2.5f);
    for (float& logit : row) logit = normal(random);
    for (size_t i = 0; i < kMaxDecode; i++)
        CUDA_CHECK(cudaMemcpy(logits_.get() + i * row.size(), row.data(),
                              row.size() * sizeof(float), cudaMemcpyHostToDevice));
    Lanes lanes(kMaxDecode, 1, vocab_, 0);
    CUDA_CHECK(cudaDeviceSynchronize());  // it clears memory on the default stream
    std::vector<int32_t> ids(kMaxDecode);
    std::iota(ids.begin(), ids.end(), 0);
    const auto lane_ids = to_device(ids), slot = to_device(std::vector<int32_t>{0});
    const auto none = to_device(std::vector<int32_t>(kMaxDecode));
    const DeviceBuffer<float> scratch(device().has_clusters() ? 0 : logits_.size());
    const PinnedBuffer<int32_t> sampled(kMaxDecode), top(kMaxDecode);
    const PinnedBuffer<float> logprobs(kMaxDecode), top_logprobs(kMaxDecode);
    SamplingParams greedy, usual;
    greedy.temperature = 0;
    usual.temperature = 0.7f, usual.top_p = 0.8f, usual.top_k = 20,
    usual.repetition_penalty = 1.05f;
    const std::vector<int32_t> prompt = {1, 2, 3};
    uint64_t run = 1;
    for (const auto& [name, params] :
         {std::pair{"sample_rows, greedy", &greedy}, {"sample_rows, usual", &usual}}) {
        for (int i = 0; i < kMaxDecode; i++) {
            BatchSequence sequence;
            sequence.lane = i, sequence.run = run, sequence.sampling = params,
            sequence.prompt = prompt;
            lanes.occupy(sequence, timer_.stream());
        }
        timer_.stream().synchronize();
        run++;
        for (int n : kRows)
            time_plain(name, vocab_, n, 4.0 * n * vocab_, [&](const Stream& s) {
                sample_rows({logits_.get(),
                             scratch.get(),
                             vocab_,
                             vocab_,
                             {lane_ids.get(), none.get(), none.get(), lane_ids.get(), none.get()},
                             lanes.sampling(),
                             lanes.counts(),
                             lanes.last_tokens(),
                             SampleResults{sampled.get(), logprobs.get(), top.get(),
                                           top_logprobs.get(), kMaxDecode, 1, slot.get()},
                             n},
                            s);
            });
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::string name = argc > 1 ? argv[1] : "0.5b";
    const PublishedShape* shape = find_shape(name);
    if (!shape) {
        fmt::print(stderr, "gpu_kernels: no shape {}\n", name);
        return 64;
    }
    try {
        KernelBench(*shape).run(argc > 2 ? argv[2] : "");
    } catch (const std::exception& error) {
        fmt::print(stderr, "gpu_kernels: {}\n", error.what());
        return 1;
    }
}
