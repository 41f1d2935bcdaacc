#include "daemon/did_you_mean.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

namespace qwend {

namespace {

/// What vLLM's and llama.cpp's servers call what is here too.
constexpr std::array<std::pair<std::string_view, std::string_view>, 18> kElsewhere = {{
    {"host", "listen"},
    {"port", "listen"},
    {"bind", "listen"},
    {"uds", "listen"},
    {"api-key", "api-key-file"},
    {"alias", "served-model-name"},
    {"max-model-len", "max-context"},
    {"ctx-size", "max-context"},
    {"max-num-seqs", "max-sequences"},
    {"parallel", "max-sequences"},
    {"max-num-batched-tokens", "max-step-tokens"},
    {"enable-prefix-caching", "prefix-cache"},
    {"speculative-config", "speculation"},
    {"kv-cache-memory-bytes", "kv-cache-memory"},
    {"kv-cache-size", "kv-cache-memory"},
    {"allowed-origins", "cors-origins"},
    {"verbose", "log-level"},
    {"model-path", "model"},
}};

/// Insertions, deletions and changes of a letter that make the one from the other.
size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), size_t(0));
    for (size_t i = 0; i < a.size(); i++) {
        size_t diagonal = std::exchange(row[0], i + 1);
        for (size_t j = 0; j < b.size(); j++) {
            const size_t changed = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

}  // namespace

std::string did_you_mean(std::string_view word, const std::vector<std::string>& names) {
    constexpr size_t kLongestWord = 64;
    std::string spelled(word.substr(0, kLongestWord));
    std::replace(spelled.begin(), spelled.end(), '_', '-');
    std::transform(spelled.begin(), spelled.end(), spelled.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
    for (auto& [theirs, ours] : kElsewhere)
        if (theirs == spelled && std::find(names.begin(), names.end(), ours) != names.end())
            return std::string(ours);
    std::string nearest;
    size_t best = std::max<size_t>(2, spelled.size() / 3) + 1;
    for (const std::string& name : names)
        if (const size_t distance = edit_distance(spelled, name); distance < best)
            best = distance, nearest = name;
    return nearest;
}

}  // namespace qwend
