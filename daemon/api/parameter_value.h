#pragma once

#include <string>
#include <string_view>

#include "daemon/api/json_scanner.h"

namespace qwend {

/// One argument that a model wrote as bare text, and the JSON value it stands for: a value of one
/// of the types that its schema allows, if the text is that, else a string of the text. A text that
/// may still be another value than a string is kept until it is complete; of a string, what comes
/// is passed on. Takes constant time a byte.
class ParameterValue {
  public:
    ParameterValue() = default;
    explicit ParameterValue(unsigned json_types);

    /// More of the text, appended to `json` as far as it can be passed on.
    void push(char c, std::string& json);
    /// It is complete: the rest of the value.
    void finish(std::string& json);
    /// It will not be complete: what was kept of it, as it came.
    void cut(std::string& json);

  private:
    bool may_be_other(char c);
    void begin_string(std::string& json);

    unsigned types_ = 0;
    bool is_string_ = false;      // for sure
    bool has_first_ = false;      // a byte that is no white space
    bool is_json_ = true;         // as far as it has come
    bool may_be_word_ = false;    // one of Python's, as far as it has come
    JsonScanner scanner_;         // of an array around the value
    std::string kept_, as_json_;  // the text, and with control characters in strings escaped
};

}  // namespace qwend
