// Bytes at the request parser: whole and split must give the same requests and the same end.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "net/parser.h"

namespace {

std::string transcript(std::string_view input, size_t piece) {
    static const qwend::HttpLimits limits;
    qwend::RequestParser parser(limits);
    std::string out;
    while (!input.empty()) {
        std::string_view data = input.substr(0, piece);
        input.remove_prefix(data.size());
        while (!data.empty()) {
            const auto [consumed, event] = parser.feed(data);
            data.remove_prefix(consumed);
            if (event == qwend::RequestParser::Event::error)
                return out + std::to_string(parser.status());
            if (event == qwend::RequestParser::Event::complete ||
                (event == qwend::RequestParser::Event::headers && !parser.has_body())) {
                out += parser.request().method + parser.request().target + parser.request().body;
                parser.reset();
            }
        }
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    if (transcript(input, size + 1) != transcript(input, 1)) std::abort();
    return 0;
}
