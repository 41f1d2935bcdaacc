// Tool calls in any text and every form, and reasoning: the same in any pieces, nothing lost, and
// within a time per byte. What the fuzzer finds is tried as it is and, since a costly text may need
// length to show, repeated.

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <string>
#include <vector>

#include "daemon/api/reasoning.h"
#include "daemon/api/tool_calls.h"

using namespace qwend;

namespace {

struct Found {
    std::string text, calls;
    bool operator==(const Found&) const = default;
};

constexpr ToolFormat kFormats[] = {ToolFormat::hermes, ToolFormat::qwen3_coder};

/// Parameters of one letter, by their types.
const ToolParameters& parameters() {
    static const std::vector<std::string> tools = {
        R"({"function":{"name":"f","parameters":{"properties":{"s":{"type":"string"},)"
        R"("n":{"type":"number"},"b":{"type":"boolean"},"o":{"type":["object","null"]}}}}})"};
    static const ToolParameters made(tools);
    return made;
}

/// Pieces of 1 to `most` bytes, or the whole at once if it is 0.
Found parse(const std::string& text, size_t most, bool keep_tags, ToolFormat format) {
    ToolCallParser parser(format, keep_tags, &parameters());
    std::vector<ToolPiece> pieces;
    for (size_t at = 0, n = 0; at < text.size(); at += n) {
        n = most ? 1 + (at * 7 + 3) % most : text.size();
        parser.push(std::string_view(text).substr(at, n), pieces);
    }
    parser.finish(pieces);
    Found found;
    bool in_arguments = false;
    for (const ToolPiece& piece : pieces) {
        if (piece.kind == ToolPiece::Kind::call && piece.text.empty()) std::abort();
        if (piece.kind == ToolPiece::Kind::text) {
            found.text += piece.text;
            continue;
        }
        // Arguments come in as many pieces as the text does.
        const bool is_arguments = piece.kind == ToolPiece::Kind::arguments;
        if (is_arguments && piece.text.empty()) continue;
        if (!is_arguments || !in_arguments) found.calls += char('0' + int(piece.kind));
        found.calls += piece.text;
        in_arguments = is_arguments;
    }
    return found;
}

Found reason(const std::string& text, size_t most, bool is_open) {
    ReasoningParser parser(is_open);
    Found found;
    for (size_t at = 0, n = 0; at < text.size(); at += n) {
        n = most ? 1 + (at * 7 + 3) % most : text.size();
        parser.push(std::string_view(text).substr(at, n), found.calls, found.text);
    }
    parser.finish(found.calls, found.text);
    return found;
}

void check(const std::string& text) {
    for (bool keep_tags : {true, false})
        for (ToolFormat format : kFormats) {
            const Found whole = parse(text, 0, keep_tags, format);
            if (parse(text, 1, keep_tags, format) != whole) std::abort();
            if (parse(text, 9, keep_tags, format) != whole) std::abort();
            if (keep_tags && whole.calls.empty() && whole.text != text) std::abort();
        }
    for (bool is_open : {true, false}) {
        const Found whole = reason(text, 0, is_open);
        if (reason(text, 1, is_open) != whole || reason(text, 9, is_open) != whole) std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    check(text);
    if (text.empty()) return 0;
    // All of it again and again; or its first half once, and then the second.
    constexpr size_t kAmplified = 8 << 10;
    constexpr double kSecondsPerByte = 20e-6;  // a hundred times what it takes under sanitizers
    const size_t cut = data[0] % 2 ? size / 2 : 0;
    std::string amplified = text.substr(0, cut);
    while (amplified.size() < kAmplified) amplified += text.substr(cut);
    const std::clock_t begin = std::clock();  // of the processor: the machine may be busy
    if (const size_t which = data[0] / 2 % 3; which < std::size(kFormats))
        (void)parse(amplified, 3, true, kFormats[which]);
    else
        (void)reason(amplified, 3, true);
    const double seconds = double(std::clock() - begin) / CLOCKS_PER_SEC;
    if (seconds > kSecondsPerByte * double(amplified.size())) std::abort();
    return 0;
}
