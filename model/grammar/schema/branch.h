#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/grammar/languages.h"
#include "model/grammar/numbers.h"
#include "model/grammar/schema/document.h"

namespace qwend::grammar {

/// One thing that is asked of a value.
struct Term {
    enum class Kind : uint8_t {
        holds,          // it is valid against the schema
        fails,          // it is not
        keyword_fails,  // it is of the type that the keyword is about, and not what that asks for;
                        // of a keyword that lists, its element or member number `index`
        absent,         // if an object, it has no member of the name that the keyword's member
                        // number `index` has
        present,        // it is an object, and has one
        lists_present,  // if an object, it has all the names that the keyword's member lists
    };
    SchemaId schema = 0;
    Kind kind = Kind::holds;
    Keyword keyword = Keyword::type;
    uint32_t index = 0;

    auto operator<=>(const Term&) const = default;
};

/// All of them are asked for. Sorted, each once: equal sets of terms ask for the same.
using Terms = std::vector<Term>;
/// Of a term that is about a whole schema: what is asked if that must not be so.
Term denied(const Term& term);
void add_term(Terms& terms, const Term& term);

/// The types of JSON, where the two booleans are types of their own.
namespace types {
inline constexpr uint8_t kNull = 1, kTrue = 2, kFalse = 4, kNumber = 8, kString = 16, kArray = 32,
                         kObject = 64, kBoolean = kTrue | kFalse, kAll = 127;
}

/// Of a value, a bit of types.
inline uint8_t type_of(const JsonValue& value) {
    bool flag = false;
    if (value.get(flag)) return flag ? types::kTrue : types::kFalse;
    return value.is_null()     ? types::kNull
           : value.is_number() ? types::kNumber
           : value.is_string() ? types::kString
           : value.is_array()  ? types::kArray
                               : types::kObject;
}

/// How many elements of an array are asked something.
struct Contained {
    Term term;
    uint32_t min = 0, max = kUnbounded;
    JsonValue at;            // what asks for it
    bool is_denial = false;  // it does so since it must not hold
};

/// What an unevaluated… keyword asks of the members, or elements, that nothing it sees speaks of.
struct Unevaluated {
    Keyword keyword;
    SchemaId schema;             // what is asked of them
    std::vector<SchemaId> seen;  // schemas that apply to the same value, and have keywords for it
    Terms contained;             // that it sees: such an element is spoken of
    bool sees_all = false;       // another such keyword within it speaks of all
};

/// What is asked of a value once every choice is made: a limit for each thing that a value can have
/// too much or too little of. A schema is the union of its branches.
struct Branch {
    uint8_t types = types::kAll;
    std::optional<std::vector<JsonValue>> values;  // one of them
    std::vector<JsonValue> excluded;               // none of them

    NumberLimits number;

    uint32_t min_length = 0, max_length = kUnbounded;  // code points
    std::vector<LanguageId> bodies;  // of strings, as json_char() spells them; all of them

    std::vector<SchemaId> arrays;  // whose keywords are about its elements
    uint32_t min_items = 0, max_items = kUnbounded;
    Terms of_elements;  // of each, beside what `arrays` say
    std::map<uint32_t, Terms> of_element;
    std::vector<Contained> contains;
    std::optional<JsonValue> unique;  // where that is asked for

    std::vector<SchemaId> objects;      // whose keywords are about its members
    std::vector<std::string> required;  // in the order in which they are asked for
    std::set<std::string> required_names;
    std::set<std::string> forbidden;
    std::map<std::string, Terms> of_member;  // beside what `objects` say
    Terms of_names;
    std::vector<Unevaluated> unevaluated;
    uint32_t min_members = 0, max_members = kUnbounded;

    // Which option was taken of each choice that is exclusive, by the schema that has it.
    std::vector<std::pair<SchemaId, uint32_t>> picks;

    void require(const std::string& name);
    bool is_impossible() const;
};

/// What of a schema is about the members of objects.
struct ObjectPart {
    std::vector<std::pair<std::string, SchemaId>> properties;
    std::vector<std::pair<LanguageId, SchemaId>> patterns;  // of the body of a name
    std::optional<SchemaId> additional;
    std::unordered_map<std::string, size_t> index;  // of `properties`, by name
};

/// What of a schema is about the elements of arrays.
struct ArrayPart {
    std::vector<SchemaId> first;
    std::optional<SchemaId> rest;
};

}  // namespace qwend::grammar
