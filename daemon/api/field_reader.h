#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "daemon/api/api_error.h"
#include "model/json_document.h"

namespace qwend {

/// Reads values of a request's body, in whatever dialect: `param` is the path of the field, for the
/// error. The first error stops everything. Every function takes time in proportion to the text it
/// reads, and returns false once there is an error.
class FieldReader {
  public:
    /// Token ids are below `vocab_size`.
    explicit FieldReader(int vocab_size) : vocab_size_(vocab_size) {}

    bool fail(const std::string& param, std::string message, std::string code = "");
    bool expected(const std::string& param, std::string_view what, const JsonValue& found);

    bool boolean(const std::string& param, const JsonValue& value, bool& out);
    bool integer(const std::string& param, const JsonValue& value, int64_t low, int64_t high,
                 auto& out) {
        int64_t n = 0;
        if (!value.get(n) || n < low || n > high) {
            double any = 0;  // an integer beyond 64 bits is one, and out of range
            return expected(param,
                            value.get(any) && (value.get(n) || value.is_integer())
                                ? fmt::format("an integer from {} to {}", low, high)
                                : "an integer",
                            value);
        }
        out = std::decay_t<decltype(out)>(n);
        return true;
    }
    bool number(const std::string& param, const JsonValue& value, double low, double high,
                float& out);
    bool string(const std::string& param, const JsonValue& value, std::string& out);
    /// A string of at most `most` bytes of visible ASCII.
    bool identifier(const std::string& param, const JsonValue& value, size_t most,
                    std::string& out);
    bool token_id(const std::string& param, const JsonValue& value, int32_t& out) {
        return integer(param, value, 0, vocab_size_ - 1, out);
    }
    bool token_ids(const std::string& param, const JsonValue& value, size_t most,
                   std::vector<int32_t>& out);
    bool unsupported(std::string_view field, std::string_view instead = "");

    std::optional<ApiError> error;

  private:
    int vocab_size_;
};

}  // namespace qwend
