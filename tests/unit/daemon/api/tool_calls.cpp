// Calls with their tags, and behind them those without.

#include "daemon/api/tool_calls.h"

#include <doctest/doctest.h>

using namespace qwend;

namespace {

const std::string kCall = R"({"name": "f", "arguments": {"x": 1}})";
const std::string kTagged = "<tool_call>\n" + kCall + "\n</tool_call>";
const std::string kFenced = "```json\n" + kCall + "\n```";

/// Text as it is, and "(name arguments)" for each call.
std::string parse(const std::string& text, size_t size, ToolFormat format, bool has_tools = true) {
    const std::vector<std::string> tools = {R"({"function":{"name":"f"}})"};
    const ToolParameters parameters(tools);
    ToolCallParser parser(format, true, has_tools ? &parameters : nullptr);
    std::vector<ToolPiece> pieces;
    for (size_t at = 0; at < text.size(); at += size) parser.push(text.substr(at, size), pieces);
    parser.finish(pieces);
    std::string found;
    int n_calls = 0;
    for (const ToolPiece& piece : pieces) {
        n_calls += piece.kind == ToolPiece::Kind::call;
        if (piece.kind == ToolPiece::Kind::call) found += "(" + piece.text + " ";
        if (piece.kind == ToolPiece::Kind::arguments) found += piece.text;
        if (piece.kind == ToolPiece::Kind::call_end) found += ")";
        if (piece.kind == ToolPiece::Kind::text) found += piece.text;
    }
    CHECK(parser.n_calls() == n_calls);
    return found;
}

}  // namespace

TEST_CASE("tool_calls: what has no tags is a call before those that have, and at no other place") {
    const std::string call = R"((f {"x": 1}))";
    for (size_t size : {size_t(1), size_t(3), size_t(1000)}) {
        const auto hermes = [&](const std::string& text) {
            return parse(text, size, ToolFormat::hermes);
        };
        CHECK(hermes(kFenced + "\n") == call);
        CHECK(hermes(kCall) == call);
        CHECK(hermes(kFenced + "\n" + kTagged) == call + call);
        CHECK(hermes(kTagged + "\n" + kFenced) == call + "\n" + kFenced);
        CHECK(hermes("I see <tool_call> " + kFenced) == "I see <tool_call> " + kFenced);
        CHECK(hermes("```json\n" + kTagged + "\n```") == "```json" + call + "\n```");
        CHECK(parse(kFenced, size, ToolFormat::hermes, false) == kFenced);
        CHECK(parse(kFenced, size, ToolFormat::qwen3_coder) == kFenced);
    }
}
