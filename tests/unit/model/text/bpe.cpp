// Merging by windows and by heap against merging as it is defined, on random vocabularies.

#include "model/text/bpe.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <random>

#include "model/text/byte_alphabet.h"

using namespace qwend;

namespace {

/// Names of all bytes in the byte alphabet.
const std::vector<std::string>& alphabet() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> out(256);
        for (int c = 0x21; c < 0x200; c++) {
            std::string name, bytes;
            if (c >= 0x80) name += char(0xC0 | c >> 6), name += char(0x80 | (c & 0x3F));
            if (c < 0x80) name += char(c);
            if (bytes_from_alphabet(name, bytes)) out[uint8_t(bytes[0])] = name;
        }
        return out;
    }();
    return names;
}

struct Vocabulary {
    std::vector<std::string> tokens = alphabet();                           // by id
    std::vector<std::pair<int32_t, int32_t>> merges;                        // by rank
    std::map<std::pair<int32_t, int32_t>, std::pair<int, int32_t>> merged;  // → rank, result

    int32_t id(const std::string& name) {
        auto found = std::find(tokens.begin(), tokens.end(), name);
        if (found == tokens.end()) found = tokens.insert(found, name);
        return int32_t(found - tokens.begin());
    }
    int32_t merge(int32_t left, int32_t right) {
        const int32_t result = id(tokens[size_t(left)] + tokens[size_t(right)]);
        if (merged.try_emplace({left, right}, int(merges.size()), result).second)
            merges.emplace_back(left, right);
        return result;
    }
    Bpe bpe() const {
        std::vector<std::pair<std::string_view, int32_t>> vocab;
        for (size_t i = 0; i < tokens.size(); i++) vocab.emplace_back(tokens[i], int32_t(i));
        std::vector<std::pair<std::string_view, std::string_view>> pairs;
        for (auto [left, right] : merges)
            pairs.emplace_back(tokens[size_t(left)], tokens[size_t(right)]);
        return Bpe(vocab, pairs, "test");
    }
    /// The definition: again and again the leftmost of the pairs with the lowest rank.
    std::vector<int32_t> encode(std::string_view word) const {
        std::vector<int32_t> ids;
        for (char c : word) ids.push_back(int32_t(uint8_t(c)));
        for (;;) {
            size_t best = ids.size();
            std::pair<int, int32_t> merge{INT32_MAX, 0};
            for (size_t i = 0; i + 1 < ids.size(); i++)
                if (auto found = merged.find({ids[i], ids[i + 1]});
                    found != merged.end() && found->second.first < merge.first)
                    best = i, merge = found->second;
            if (best == ids.size()) return ids;
            ids[best] = merge.second;
            ids.erase(ids.begin() + std::ptrdiff_t(best) + 1);
        }
    }
};

std::vector<int32_t> encode(const Bpe& bpe, std::string_view word) {
    std::vector<int32_t> ids{-7};  // what is there already stays
    bpe.encode(word, ids);
    CHECK(ids[0] == -7);
    ids.erase(ids.begin());
    return ids;
}

}  // namespace

TEST_CASE("bpe: words of any length are merged as defined, in any order of ranks") {
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 30; round++) {
        const unsigned letters = 1 + random() % 5;
        Vocabulary vocabulary;
        std::vector<int32_t> parts;
        for (unsigned i = 0; i < letters; i++) parts.push_back(int32_t('a' + i));
        for (unsigned n = random() % 60; n > 0; n--)
            parts.push_back(
                vocabulary.merge(parts[random() % parts.size()], parts[random() % parts.size()]));
        // As training never makes them: a rank has nothing to do with what a pair is made of.
        if (round % 2) {
            std::shuffle(vocabulary.merges.begin(), vocabulary.merges.end(), random);
            for (size_t rank = 0; rank < vocabulary.merges.size(); rank++)
                vocabulary.merged[vocabulary.merges[rank]].first = int(rank);
        }
        const Bpe bpe = vocabulary.bpe();
        for (size_t length :
             {size_t(1), 31 + random() % 4, 100 + random() % 500, 700 + random() % 900}) {
            std::string word;
            while (word.size() < length) word += char('a' + random() % letters);
            CHECK(encode(bpe, word) == vocabulary.encode(word));
            word = std::string(length, 'a');
            CHECK(encode(bpe, word) == vocabulary.encode(word));
        }
    }
}

TEST_CASE("bpe: a merge that depends on what stands a thousand bytes further on") {
    // Every pair of neighbours in this row can be merged, the last one first: whether a pair is
    // depends on whether the row's end is odd or even.
    Vocabulary vocabulary;
    std::vector<int32_t> row;
    for (int i = 0; i < 90; i++) {
        int32_t token = 128 + i;
        for (int more = 0; more < 15; more++) token = vocabulary.merge(token, 'a' + more);
        row.push_back(token);
    }
    for (size_t i = row.size() - 1; i > 0; i--) vocabulary.merge(row[i - 1], row[i]);
    const Bpe bpe = vocabulary.bpe();
    auto text = [&](size_t n) {
        std::string out, bytes;
        for (size_t i = 0; i < n; i++) {
            CHECK(bytes_from_alphabet(vocabulary.tokens[size_t(row[i])], bytes));
            out += bytes;
        }
        return out;
    };
    for (size_t n : {88, 89, 90}) {
        const std::string word = std::string(100, 'z') + text(n) + text(n - 31) + "zz";
        const auto ids = encode(bpe, word);
        CHECK(ids == vocabulary.encode(word));
    }
}

TEST_CASE("bpe: what is left out is made of no text, and all else as before") {
    const std::vector<std::pair<std::string_view, int32_t>> vocab = {
        {"<", 0}, {"s", 1}, {">", 2}, {"<s", 3}, {"<s>", 4}, {"s>", 5}, {"ss", 6}};
    BpeSpelling characters;
    characters.is_byte_level = false;
    for (const bool ignores : {false, true}) {
        Bpe bpe(vocab, {{"<", "s"}, {"<s", ">"}, {"s", ">"}, {"s", "s"}}, "test", characters,
                ignores);
        CHECK(encode(bpe, "<s>") == std::vector<int32_t>{4});
        bpe.leave_out({4});
        CHECK(encode(bpe, "<s>") == std::vector<int32_t>{3, 2});
        CHECK(encode(bpe, "<ss>") == std::vector<int32_t>{3, 5});
        bpe.leave_out({3, 5});
        CHECK(encode(bpe, "<ss>") == std::vector<int32_t>{0, 6, 2});
    }
}
