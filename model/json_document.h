#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace qwend {

/// Arrays and objects within each other that a text may have; what renders them may recurse.
inline constexpr size_t kMaxJsonDepth = 256;

/// Why a text is not taken for JSON, and the byte where that shows.
struct JsonFault {
    enum Kind { syntax, encoding, depth, size };
    Kind kind = syntax;
    size_t offset = 0;
};

class JsonValue;
struct JsonMember;
template <class Item>
class JsonRange;
using JsonMembers = JsonRange<JsonMember>;
using JsonElements = JsonRange<JsonValue>;

/// A JSON text that was checked whole, and where in it each value lies. Values are converted when
/// they are asked for and can be had as they were written: numbers of any size, schemas of any
/// shape and halves of surrogate pairs must reach a model, and simdjson's DOM refuses a document
/// for any of them without saying where. Takes linear time. Source: RFC 8259.
class JsonDocument {
  public:
    /// Checks and indexes `text`, which must outlive the document.
    std::optional<JsonFault> parse(std::string_view text, size_t max_depth = kMaxJsonDepth);
    /// The first value, once parse() has succeeded.
    JsonValue root() const;
    /// The path of a key that one object has twice ("messages[0].role"); empty if there is none.
    std::string find_duplicate() const;

  private:
    friend class JsonValue;
    template <class Item>
    friend class JsonRange;
    friend struct JsonParser;

    enum class Type : uint8_t { null, boolean, number, string, array, object };
    /// A value or a member's key; the nodes between it and `next` are within it.
    struct Node {
        uint32_t begin, end, next;
        Type type;
        bool escaped;  // a string with a backslash
    };

    std::string path_of(uint32_t node) const;

    std::string_view text_;
    std::vector<Node> nodes_;
};

/// One value of a document, which must outlive it.
class JsonValue {
  public:
    bool is_null() const { return node().type == JsonDocument::Type::null; }
    bool is_string() const { return node().type == JsonDocument::Type::string; }
    bool is_number() const { return node().type == JsonDocument::Type::number; }
    bool is_array() const { return node().type == JsonDocument::Type::array; }
    bool is_object() const { return node().type == JsonDocument::Type::object; }

    /// As it was written.
    std::string_view raw() const {
        return document_->text_.substr(node().begin, node().end - node().begin);
    }

    /// False, and `out` as it was, if the value is of another type or, for an integer, does not
    /// fit.
    bool get(bool& out) const;
    bool get(std::string& out) const;  // a lone surrogate becomes U+FFFD
    bool get(int64_t& out) const;      // 16.0 is an integer too, to clients with one number type
    bool get(double& out) const;       // infinite beyond a double's range
    bool is_integer() const;           // written as one: no fraction, no exponent

    /// Nothing to walk over if the value is of another type.
    JsonMembers members() const;
    JsonElements elements() const;
    /// The member of that name; a walk over all of them.
    std::optional<JsonValue> member(std::string_view name) const;

  private:
    friend class JsonDocument;
    template <class Item>
    friend class JsonRange;
    JsonValue(const JsonDocument& document, uint32_t node) : document_(&document), node_(node) {}
    const JsonDocument::Node& node() const { return document_->nodes_[node_]; }

    const JsonDocument* document_;
    uint32_t node_;
};

struct JsonMember {
    std::string key;
    JsonValue value;
};

/// What there is in an object (JsonMember) or in an array (JsonValue), in order.
template <class Item>
class JsonRange {
  public:
    struct Iterator {
        const JsonDocument* document;
        uint32_t node;  // of the key, or of the element
        Item operator*() const {
            if constexpr (!kHasKeys)
                return JsonValue(*document, node);
            else {
                JsonMember member{{}, JsonValue(*document, node + 1)};
                JsonValue(*document, node).get(member.key);
                return member;
            }
        }
        Iterator& operator++() {
            node = document->nodes_[node + (kHasKeys ? 1 : 0)].next;
            return *this;
        }
        bool operator!=(const Iterator& other) const { return node != other.node; }
    };
    Iterator begin() const { return {document_, begin_}; }
    Iterator end() const { return {document_, end_}; }

  private:
    friend class JsonValue;
    static constexpr bool kHasKeys = std::is_same_v<Item, JsonMember>;
    JsonRange(const JsonDocument* document, uint32_t begin, uint32_t end)
        : document_(document), begin_(begin), end_(end) {}
    const JsonDocument* document_;
    uint32_t begin_, end_;
};

}  // namespace qwend
