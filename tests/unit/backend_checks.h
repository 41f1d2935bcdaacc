#pragma once

#include <limits>

#include "model/json.h"
#include "tests/unit/backend_driver.h"

/// What every backend has to show, whatever it computes on: the goldens of transformers
/// (tests/golden/logits.json), and that a stream does not depend on its company.

namespace qwend {

/// A lead in log-probability that no bf16 engine can be held to, whatever transformers' errs by.
inline constexpr double kLeastLead = 0.25;

struct GreedyCount {
    int n_compared = 0, n_equal = 0, n_decided = 0;  // of all; of them; of those
};

/// Compares a greedy continuation. A token is decided if the reference's likeliest leads the next
/// by more than twice what transformers' own bf16 errs by there in a log-probability. Another token
/// is an error where it was decided; where it was not, it ends the comparison.
inline void check_greedy(simdjson::dom::element golden, const DrivenStream& stream,
                         GreedyCount& count) {
    auto numbers = [&](const char* key) {
        const simdjson::dom::array array = golden[key].get_array().value();
        std::vector<double> values;
        for (auto value : array) values.push_back(value.get_double().value());
        return values;
    };
    const std::vector<double> leads = numbers("leads"), errors = numbers("errors_bf16");
    const simdjson::dom::array greedy = golden["greedy"].get_array().value();
    size_t i = 0;
    for (auto id : greedy) {
        const bool decided = leads[i] > std::max(kLeastLead, 2 * errors[i]);
        const bool equal = stream.output[i] == id.get_int64().value();
        CAPTURE(i);
        CHECK((equal || !decided));
        if (!equal) break;
        i++, count.n_decided += decided;
    }
    count.n_equal += int(i), count.n_compared += int(leads.size());
}

/// KL divergence of the stream's first token from the golden's fp32.
inline double divergence(simdjson::dom::element golden, const DrivenStream& stream) {
    std::map<int32_t, double> ours;
    for (auto& entry : stream.samples[0].top) ours[entry.token] = entry.logprob;
    REQUIRE(ours.size() == kHashedVocab);
    double sum = 0;
    int32_t token = 0;
    const simdjson::dom::array logprobs = golden["logprobs"].get_array().value();
    for (auto value : logprobs) {
        const double reference = value.get_double().value();
        sum += std::exp(reference) * (reference - ours[token++]);
    }
    return sum;
}

/// Logits and greedy continuations of the shape are transformers', for prompts of up to
/// `max_length` tokens computed `chunk` tokens at a time.
inline void check_goldens(const BackendFactory& make, const HashedShape& shape, int max_length,
                          int chunk = 512) {
    simdjson::dom::parser parser;
    const std::string text = read_file("tests/golden/logits.json");
    simdjson::dom::array cases;
    REQUIRE(parser.parse(text).get(cases) == simdjson::SUCCESS);
    HashedCheckpoint hashed(shape);
    double kl_ours = 0, kl_bf16 = 0;
    GreedyCount count;
    for (auto golden : cases) {
        const int length = int(golden["length"].get_int64().value());
        if (golden["model"].get_string().value() != shape.name || length > max_length) continue;
        CAPTURE(shape.name);
        CAPTURE(length);
        const size_t n = golden["greedy"].get_array().value().size();
        Driver driver(make, hashed.checkpoint, chunk, length + int(n) - 1);
        DrivenStream stream = make_stream(length);
        driver.run({&stream}, n);
        check_greedy(golden, stream, count);
        kl_ours += divergence(golden, stream);
        kl_bf16 += golden["kl_bf16"].get_double().value();
    }
    // The promise: no further from fp32 than transformers' own bf16, over all prompt lengths.
    MESSAGE(shape.name << ": KL to fp32 " << kl_ours << ", transformers' bf16 " << kl_bf16 << "; "
                       << count.n_equal << " of " << count.n_compared << " tokens equal, "
                       << count.n_decided << " of them decided");
    CHECK(kl_ours < kl_bf16);
    CHECK(2 * count.n_decided > count.n_compared);
}

/// A stream is the same alone, in a crowd and in chunks: the same bits if
/// `exact`, else as close as another order of additions leaves it.
inline void check_company(const BackendFactory& make, bool exact) {
    for (const HashedShape& shape : golden_shapes()) {
        HashedCheckpoint hashed(shape);
        std::vector<int> lengths = {1, 2, 15, 16, 17, 63, 64, 65, 130, 1030};
        std::vector<DrivenStream> alone, crowd, chunked;
        for (int length : lengths) {
            alone.push_back(make_stream(length));
            crowd.push_back(make_stream(length)), chunked.push_back(make_stream(length));
        }
        for (DrivenStream& stream : alone) Driver(make, hashed.checkpoint, 4096).run({&stream}, 6);
        std::vector<DrivenStream*> all;
        for (DrivenStream& stream : crowd) all.push_back(&stream);
        Driver(make, hashed.checkpoint, 100).run(all, 6);
        for (DrivenStream& stream : chunked) Driver(make, hashed.checkpoint, 7).run({&stream}, 6);
        for (size_t i = 0; i < lengths.size(); i++) {
            CAPTURE(shape.name);
            CAPTURE(lengths[i]);
            if (exact) {
                CHECK(same(crowd[i], alone[i]));
                CHECK(same(chunked[i], alone[i]));
            } else {
                CHECK(divergence(alone[i].samples[0], crowd[i].samples[0]) < kClose);
                CHECK(divergence(alone[i].samples[0], chunked[i].samples[0]) < kClose);
            }
        }
    }
}

/// Streams that decode beside another's prefill, before or behind it in the step, get what they get
/// alone; and so does the other. With 4 tokens of prefill a step has few rows, with 97 many.
/// Steps of up to `exact_rows` have the same bits if decode is where the scheduler puts it: first;
/// kAnyRows: always.
inline constexpr int kAnyRows = std::numeric_limits<int>::max();
inline void check_mixed(const BackendFactory& make, const HashedShape& shape, int n_chunk,
                        bool decode_first, int exact_rows) {
    CAPTURE(shape.name);
    CAPTURE(n_chunk);
    CAPTURE(decode_first);
    constexpr size_t kTokens = 6;
    HashedCheckpoint hashed(shape);
    Driver driver(make, hashed.checkpoint, 4096);
    std::vector<DrivenStream> alone, beside;
    for (int length : {20, 300, 1030}) {
        alone.push_back(make_stream(length)), beside.push_back(make_stream(length));
        driver.run({&alone.back()}, kTokens), driver.run({&beside.back()}, 1);
    }
    DrivenStream late_alone = make_stream(n_chunk * int(kTokens - 1)), late = late_alone;
    driver.run({&late_alone}, 1);
    const bool exact = exact_rows == kAnyRows;
    const bool same_bits = exact || (decode_first && n_chunk + int(beside.size()) <= exact_rows);
    for (size_t token = 1; token < kTokens; token++) {
        CAPTURE(token);
        std::vector<Driver::Share> shares;
        for (DrivenStream& stream : beside) shares.push_back({&stream, 1});
        shares.insert(decode_first ? shares.end() : shares.begin(), {&late, n_chunk});
        driver.step(shares);
        for (size_t i = 0; i < beside.size(); i++) {
            CAPTURE(i);
            const SampledToken &ours = beside[i].samples[token], &theirs = alone[i].samples[token];
            if (same_bits)
                CHECK(same(ours, theirs));
            else
                CHECK(divergence(theirs, ours) < kClose);
            beside[i].output.back() = theirs.token;  // so that the next step compares too
        }
    }
    REQUIRE(late.samples.size() == 1);
    if (exact)
        CHECK(same(late, late_alone));
    else
        CHECK(divergence(late_alone.samples[0], late.samples[0]) < kClose);
}

/// A checkpoint stored as `type` gives the same bits as one whose matrices were rounded to bf16,
/// to nearest even, before they were stored; its values reach down to half's and float's
/// subnormals. `embedding` is the type in which the backend uses embeddings of this file.
inline void check_stored_type(const BackendFactory& make, const HashedShape& shape, DType type,
                              DType embedding) {
    CAPTURE(shape.name);
    CAPTURE(dtype_name(type));
    auto change = [](size_t i, float value) {
        return i % 61 == 7 ? value * 0x1p-12f : i % 61 == 9 ? value * 1e-38f : value;
    };
    HashedCheckpoint stored(shape, 2, {type, type, type, type, change});
    HashedCheckpoint rounded(shape, 2, {DType::bf16, embedding, type, type, change});
    HashedCheckpoint plain(shape, 2, {DType::bf16, DType::bf16, DType::bf16, DType::bf16, change});
    std::vector<DrivenStream> streams;
    for (const HashedCheckpoint* hashed : {&stored, &rounded, &plain}) {
        streams.push_back(make_stream(40));
        // No more rows in a step than have the same bits in every backend that is made.
        Driver(make, hashed->checkpoint, 8).run({&streams.back()}, 4);
    }
    CHECK(same(streams[0], streams[1]));
    CHECK_FALSE(same(streams[0], streams[2]));  // norms and biases keep their precision
    CHECK(divergence(streams[0].samples[0], streams[2].samples[0]) < kClose);
}

}  // namespace qwend
