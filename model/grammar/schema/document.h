#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/grammar/schema/keywords.h"
#include "model/grammar/syntax.h"
#include "model/json_document.h"

namespace qwend::grammar {

/// A schema within the document. Its number is the same however it is reached.
using SchemaId = uint32_t;

/// A JSON Schema, and what in it is a schema as well. Drafts 4 to 2020-12.
class SchemaDocument {
  public:
    /// `text` outlives this. Throws GrammarError if it is no JSON, or no schema.
    explicit SchemaDocument(std::string_view text);
    SchemaDocument(const SchemaDocument&) = delete;

    struct Schema {
        JsonValue value;
        std::optional<bool> always;                           // of `true` and `false`
        std::vector<std::pair<Keyword, JsonValue>> keywords;  // in order

        std::optional<JsonValue> find(Keyword keyword) const;
    };

    SchemaId root() { return id_of(document_.root()); }
    /// Throws GrammarError if the value is neither an object nor a boolean, or has a keyword whose
    /// value is not what that has to be.
    SchemaId id_of(const JsonValue& value);
    const Schema& schema(SchemaId id) const { return schemas_[id]; }
    /// What a `$ref` in that schema refers to. Throws GrammarError if it is not in the document.
    SchemaId resolve(SchemaId from, const JsonValue& reference);
    /// The same of a `$dynamicRef` or `$recursiveRef`: also throws where more than one schema has
    /// the anchor, so that it depends on the way there which of them is meant.
    SchemaId resolve_dynamic(SchemaId from, const JsonValue& reference);
    /// Where a value is, as JSON pointers are written in a URI: "#/properties/x".
    std::string pointer_to(const JsonValue& value) const;
    /// Whether it is of draft 7 or older: what stands beside a `$ref` has no meaning.
    bool is_old() const { return is_old_; }
    /// Whether an element that is contained is seen by `unevaluatedItems`: not in draft 2019-09.
    bool contained_is_seen() const { return !is_2019_09_; }

    [[noreturn]] void fail(const JsonValue& at, std::string_view why) const;

  private:
    void add_keywords(Schema& schema) const;
    struct Resource {
        std::string base;  // an absolute URI, or what the document has for one
        JsonValue value;
    };

    void index();
    void count_dynamic_anchors(const JsonValue& value);
    void index_schema(const JsonValue& value, const std::string& base, int depth);
    const std::string& base_of(const JsonValue& value) const;
    std::optional<JsonValue> follow(JsonValue value, std::string_view pointer);
    std::optional<JsonValue> member_of(const JsonValue& value, const std::string& name);

    std::string_view text_;
    JsonDocument document_;
    bool is_old_ = false, is_2019_09_ = false, is_indexed_ = false;
    bool has_plain_id_ = true;  // `id` is what `$id` is, as in draft 4; of others it is a word
    std::vector<Schema> schemas_;
    std::unordered_map<size_t, SchemaId> ids_;  // by where the value begins
    std::vector<Resource> resources_;
    std::unordered_map<std::string, JsonValue> anchors_;  // "base#name"
    // How many schemas may have each `$dynamicAnchor`, by its name, and a `$recursiveAnchor`, by
    // "".
    std::unordered_map<std::string, size_t> n_dynamic_anchors_;
    // Members of what references lead through, by where it begins: there may be many of both.
    std::unordered_map<size_t, std::unordered_map<std::string, JsonValue>> members_;
};

}  // namespace qwend::grammar
