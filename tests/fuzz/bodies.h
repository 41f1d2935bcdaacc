#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

/// An input of the form BEGIN \x1E PIECE \x1E END as a body with PIECE again and again, \x1F in it
/// being a number of its own each time; any other as it is. A few are as long as a body can be.
inline std::string amplified_body(std::string_view input) {
    constexpr size_t kLargest = 8u << 20, kUsual = 64u << 10;  // bytes
    const size_t first = input.find('\x1E');
    if (first == std::string_view::npos) return std::string(input);
    const size_t second = std::min(input.find('\x1E', first + 1), input.size());
    const std::string_view piece = input.substr(first + 1, second - first - 1);
    const std::string_view end = input.substr(std::min(second + 1, input.size()));
    static size_t turn = 0;
    const size_t size = turn++ % 1024 ? kUsual : kLargest;
    std::string body(input.substr(0, first));
    for (size_t i = 0; !piece.empty() && body.size() + piece.size() + end.size() < size; i++)
        for (char c : piece)
            if (c == '\x1F')
                body += std::to_string(i);
            else
                body += c;
    return body.append(end);
}
