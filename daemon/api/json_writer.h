#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace qwend {

/// Appends `text`, escaped, with quotes. Bytes that are not UTF-8 become U+FFFD; control characters
/// and line separators are escaped, so that the result never contains a raw newline.
void append_json_string(std::string& out, std::string_view text);
/// The same without quotes, for text that goes between a prefix and a suffix built beforehand.
void append_json_escaped(std::string& out, std::string_view text);

/// Appends `json`, which is valid, without the white space between its tokens: nothing of what a
/// client wrote is a newline then.
void append_compact_json(std::string& out, std::string_view json);

/// Builds one JSON value, placing commas. Keys are written as given: they are ours.
class JsonWriter {
  public:
    JsonWriter& begin_object() { return open('{'); }
    JsonWriter& end_object() { return close('}'); }
    JsonWriter& begin_array() { return open('['); }
    JsonWriter& end_array() { return close(']'); }
    JsonWriter& key(std::string_view name);

    JsonWriter& string(std::string_view value);
    JsonWriter& integer(int64_t value);
    JsonWriter& number(double value);  // shortest text that reads back the same; not finite: null
    JsonWriter& boolean(bool value) { return raw(value ? "true" : "false"); }
    JsonWriter& null() { return raw("null"); }
    JsonWriter& raw(std::string_view json);  // already JSON

    std::string& text() { return out_; }
    std::string take() { return std::move(out_); }

  private:
    JsonWriter& open(char bracket);
    JsonWriter& close(char bracket);
    void separate();

    std::string out_;
    bool needs_comma_ = false;
};

}  // namespace qwend
