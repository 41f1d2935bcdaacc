#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/unit/daemon/api/api_harness.h"

namespace qwend {

inline std::string body_of(const std::string& answer) {
    return answer.substr(answer.find("\r\n\r\n") + 4);
}

inline bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

/// What FakeBackend makes of these ids, by the pooling of a chat model.
inline std::vector<float> fake_vector(std::vector<int32_t> ids, Pooling pooling = Pooling::last) {
    GenerationRequest request = make_request(1, std::move(ids), 0);
    request.pooling = PoolingRequest{pooling, 0, {}};
    return expected_vectors(request, true);
}

/// Numbers as JSON.
inline std::string numbers(const std::vector<float>& vector) {
    return fmt::format("[{}]", fmt::join(vector, ","));
}

/// A model of a head with so many labels, each the first number of a vector plus its own.
inline void make_classifier(ServedApi& served, int n_labels) {
    served.info.samples = false;
    served.change_text = [](ModelText& text) { text.config.head = HeadKind::classes; };
    served.head = [n_labels](std::span<const float> vectors) {
        std::vector<float> made;
        for (size_t at = 0; at < vectors.size(); at += FakeBackend::vector_size)
            for (int i = 0; i < n_labels; i++) made.push_back(vectors[at] / 64 + float(i));
        return made;
    };
}

}  // namespace qwend
