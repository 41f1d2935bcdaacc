#pragma once

#include "model/grammar/grammar.h"
#include "model/grammar/tools/free_text.h"

namespace qwend::grammar {

/// What a model writes before its answer.
struct Thinking {
    Tag open{"<think>"}, close{"</think>"};
    bool begun = false;  // the prompt ends in it; else it may be begun
};
/// Any text up to the closing tag, some newlines, then the answer.
NodeId add_thinking(Grammar& grammar, const Thinking& thinking, NodeId answer);

}  // namespace qwend::grammar
