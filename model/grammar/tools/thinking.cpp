#include "model/grammar/tools/thinking.h"

namespace qwend::grammar {

namespace {

constexpr uint32_t kMaxNewlines = 8;  // behind the tag; a reader drops them

}  // namespace

NodeId add_thinking(Grammar& grammar, const Thinking& thinking, NodeId answer) {
    Languages& l = grammar.languages;
    const NodeId text = grammar.text(text_without(l, {thinking.close.text}));
    const NodeId close = grammar.text(
        l.sequence(tag_language(l, thinking.close), l.repeat(l.literal("\n"), 0, kMaxNewlines)));
    if (thinking.begun) return grammar.sequence({text, close, answer});
    const NodeId open = grammar.text(tag_language(l, thinking.open));
    return grammar.choice({answer, grammar.sequence({open, text, close, answer})});
}

}  // namespace qwend::grammar
