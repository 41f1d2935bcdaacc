#pragma once

#include <string_view>
#include <vector>

#include "model/grammar/grammar.h"
#include "model/grammar/schema/schema.h"
#include "model/grammar/tools/free_text.h"

namespace qwend::grammar {

/// Texts of which parts, between tags, have a form: a tree of formats, or the older list of
/// structures with triggers. `json` is the object that has "format", or "structures" and
/// "triggers". Source: XGrammar's structural tags, which vLLM and SGLang take.
///
/// Formats: const_string, json_schema, regex, grammar, any_text, sequence, or, optional, plus,
/// star, repeat, tag, triggered_tags, tags_with_separator. Any text has none of the tags in it that
/// end it or would begin something in it, and no special token. `special` are the model's own:
/// where a text to be written spells one, it may be written as that token. Throws GrammarError with
/// the place in the tree, and why, for what is not served.
Grammar compile_structural_tag(std::string_view json, const SchemaOptions& schema,
                               std::vector<Tag> special);

}  // namespace qwend::grammar
