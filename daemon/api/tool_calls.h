#pragma once

#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/api/hermes_calls.h"
#include "daemon/api/output_format.h"
#include "daemon/api/qwen3_coder_calls.h"
#include "daemon/api/untagged_calls.h"

namespace qwend {

/// Finds calls in an answer's text, as it comes, in whichever form the model writes them. What all
/// forms have in common: a call begins with its name, then come its arguments, a JSON object, as
/// they are generated; what is no call comes out as the text it is; white space around calls is
/// dropped; the pieces' texts, joined, are the same however the text is split; time is linear in
/// the text.
class ToolCallParser {
  public:
    /// `format` is not none. Without `keep_tags`, <tool_call> and </tool_call> around what is no
    /// call are left out of the text. `parameters`, those of the tools that may be called, outlives
    /// this. Calls without tags are found if `untagged`.
    explicit ToolCallParser(ToolFormat format = ToolFormat::hermes, bool keep_tags = true,
                            const ToolParameters* parameters = nullptr, bool untagged = true)
        : untagged_(format == ToolFormat::hermes && untagged ? parameters : nullptr) {
        if (format == ToolFormat::qwen3_coder)
            parser_.emplace<Qwen3CoderCallParser>(keep_tags, parameters);
        else
            parser_.emplace<HermesCallParser>(keep_tags);
    }

    void push(std::string_view text, std::vector<ToolPiece>& pieces) {
        std::visit([&](auto& parser) { parser.push(text, found_); }, parser_);
        pass_on(pieces);
    }
    /// The end has come: what is held back.
    void finish(std::vector<ToolPiece>& pieces) {
        std::visit([&](auto& parser) { parser.finish(found_); }, parser_);
        pass_on(pieces);
        untagged_.finish(pieces);
    }
    int n_calls() const {  // that have begun
        return std::visit([](const auto& parser) { return parser.n_calls(); }, parser_) +
               untagged_.n_calls();
    }

  private:
    /// What is text to the form's own parser may be a call that has lost its tags.
    void pass_on(std::vector<ToolPiece>& pieces) {
        for (ToolPiece& piece : found_) {
            if (piece.kind == ToolPiece::Kind::text) {
                untagged_.push(piece.text, pieces);
                continue;
            }
            if (piece.kind == ToolPiece::Kind::call) untagged_.finish(pieces);
            pieces.push_back(std::move(piece));
        }
        found_.clear();
    }

    std::vector<ToolPiece> found_;  // by the form's parser; kept for its memory
    UntaggedCallParser untagged_;   // behind it
    std::variant<HermesCallParser, Qwen3CoderCallParser> parser_;
};

}  // namespace qwend
