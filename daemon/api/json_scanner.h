#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// Follows one JSON value byte by byte (RFC 8259): says where it ends, and refuses the first byte
/// that no value could go on with. Constant time a byte; depth and size of numbers are not limited.
/// One leniency, since models write them: control characters inside strings pass, and whoever
/// hands the text on escapes them. A value that is a number alone has no end: it never turns done.
class JsonScanner {
  public:
    enum class Status { open, done, error };  // both of the latter are for good

    Status push(char c);

    /// Containers around the next byte; 0 before and after the value.
    size_t depth() const { return in_object_.size(); }
    /// Whether the next byte is inside a string, or ends it.
    bool in_string() const {
        return state_ == State::string || state_ == State::escape || state_ == State::hex;
    }
    bool in_key() const { return in_string() && is_key_; }
    bool at_value() const { return state_ == State::value || state_ == State::first_element; }
    bool after_value() const { return state_ == State::after_value; }

  private:
    enum class State : uint8_t {
        value,          // a value must come
        first_element,  // or the end of the array
        first_key,      // or the end of the object
        key,            // after a comma
        colon,
        after_value,  // a comma, or the end of the container
        string,
        escape,  // after a backslash
        hex,     // after \u
        literal,
        minus,
        zero,
        integer,
        point,
        fraction,
        exponent,
        exponent_sign,
        exponent_digits,
        done,
        error,
    };

    State next(char c);
    State begin_value(char c);
    State end_value() const { return in_object_.empty() ? State::done : State::after_value; }
    State close(bool object);
    State number(char c);

    State state_ = State::value;
    std::vector<bool> in_object_;  // one a container; true: an object
    bool is_key_ = false;
    int n_hex_ = 0;
    const char* rest_ = "";  // of a literal
};

/// The text of a JSON string, given what stands between its quotes; that it is well formed is
/// known. A lone surrogate becomes U+FFFD.
std::string unescape_json(std::string_view escaped);

/// Appends one byte of JSON text; a control character inside a string is escaped.
void append_json_byte(std::string& out, char c, bool in_string);

/// `text` if it is one JSON object and white space, with control characters in strings escaped and
/// without white space around it; else empty.
std::string clean_json_object(std::string_view text);

}  // namespace qwend
