#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "model/text/jinja/text.h"

namespace qwend::jinja {

struct Builtin;
struct MacroValue;
struct LoopState;
struct Statement;
class Value;

/// `missing` is an argument that was not given; no template sees it.
enum class Type : uint8_t {
    missing,
    undefined,
    none,
    boolean,
    integer,
    big_integer,  // beyond 64 bits, as it was written
    real,
    string,
    list,
    tuple,
    range,  // what range() gives
    view,   // what dict.items(), keys() and values() give: has a length, but no elements by number
    iterator,  // what a lazy filter gives: can be walked once
    dict,
    name_space,
    macro,
    function,
    method,
    loop,
};

/// How a value came to be undefined; says so when it is used.
struct Undefined {
    std::string_view message;  // empty: one that is made of the others
    std::string_view owner;    // the type of what lacks the attribute; empty: a variable
    std::string_view name;
};

struct Sequence {
    std::span<const Value> items;
    std::string_view name;  // of a view's type; of a range, how it is printed
};

struct Iterator {
    std::span<const Value> items;
    std::string_view type_name;
    size_t position = 0;
    std::string_view failure;  // what is wrong with the element behind the last; empty: nothing
};

struct Member;

/// Keeps the order of insertion. Larger ones have an index, sorted by key.
struct Dict {
    std::span<const Member> members;
    std::span<const uint32_t> by_key;
};

/// The one value that a template can change.
struct Namespace {
    std::span<Member> attributes;
};

struct BoundMethod;

/// A value as Python has it: a tag and eight bytes. Copies are shallow; all but namespaces,
/// iterators and loops is immutable.
class Value {
  public:
    constexpr Value() : type_(Type::missing), integer_(0) {}
    static Value none() { return Value(Type::none); }
    static Value boolean(bool value) { return integral(Type::boolean, value); }
    static Value integer(int64_t value) { return integral(Type::integer, value); }
    static Value real(double value) {
        Value out(Type::real);
        out.real_ = value;
        return out;
    }
    template <typename T>
    static Value of(Type type, const T* value) {
        Value out(type);
        out.pointer_ = value;
        return out;
    }

    Type type() const { return type_; }
    bool is(Type type) const { return type_ == type; }
    bool is_undefined() const { return type_ == Type::undefined; }
    bool is_none() const { return type_ == Type::none; }
    bool is_string() const { return type_ == Type::string; }
    bool is_dict() const { return type_ == Type::dict; }
    bool is_given() const { return type_ != Type::missing; }
    bool is_integral() const { return type_ == Type::integer || type_ == Type::boolean; }
    bool is_number() const {
        return is_integral() || type_ == Type::real || type_ == Type::big_integer;
    }
    bool is_sequence() const { return type_ >= Type::list && type_ <= Type::view; }

    int64_t as_integer() const { return integer_; }  // of a boolean too
    double as_real() const { return real_; }
    const Text& text() const { return get<Text>(); }  // of a big integer too
    std::string_view bytes() const { return text().bytes; }
    std::span<const Value> items() const;  // of a list, tuple, range or view
    template <typename T>
    const T& get() const {
        return *static_cast<const T*>(pointer_);
    }
    /// Of those that change: a namespace, an iterator, a loop.
    template <typename T>
    T& mutable_() const {
        return *static_cast<T*>(const_cast<void*>(pointer_));
    }
    bool is_same(const Value& other) const {
        return type_ == other.type_ && integer_ == other.integer_;
    }

  private:
    explicit Value(Type type) : type_(type), integer_(0) {}
    static Value integral(Type type, int64_t value) {
        Value out(type);
        out.integer_ = value;
        return out;
    }

    Type type_;
    union {
        int64_t integer_;
        double real_;
        const void* pointer_;
    };
};

struct Member {
    Value key, value;
};

struct BoundMethod {
    Value self;
    const Builtin* method;
};

inline std::span<const Value> Value::items() const {
    return get<Sequence>().items;
}

Value make_string(Workspace& work, const Text& text);
Value make_ours(Workspace& work, std::string_view bytes);  // a string of the template's own
Value make_data(Workspace& work, std::string_view bytes);  // one that came with the variables
Value make_sequence(Workspace& work, Type type, std::span<const Value> items,
                    std::string_view name = {});
Value make_iterator(Workspace& work, std::span<const Value> items, std::string_view type_name,
                    std::string_view failure = {});
Value make_undefined(Workspace& work, std::string_view variable);
/// What an attribute or element that `owner` has not is.
Value make_undefined_attribute(Workspace& work, const Value& owner, std::string_view name);
Value make_undefined_because(Workspace& work, std::string_view message);

/// Of members with equal keys the last, in the place of the first. Fails on a key that has no hash.
const Dict* make_dict(Workspace& work, std::vector<Member> members);
Value make_dict_value(Workspace& work, std::vector<Member> members);
/// The value of a key; null if there is none.
const Value* find(Workspace& work, const Dict& dict, const Value& key);
const Value* find(const Dict& dict, std::string_view key);

bool is_true(const Value& value);
/// The name of its type in Python ("str", "NoneType").
std::string_view type_name(const Value& value);
/// What the use of an undefined value fails with.
[[noreturn]] void fail_undefined(const Value& value);

/// The elements of what can be walked over: characters, keys, items. What an iterator has left is
/// taken out of it. Fails for other values.
std::span<const Value> walk(Workspace& work, const Value& value);
/// The same for those that say why not themselves.
std::optional<std::span<const Value>> try_walk(Workspace& work, const Value& value);
/// Python's len(); empty if the value has none.
std::optional<int64_t> length_of(Workspace& work, const Value& value);

}  // namespace qwend::jinja
