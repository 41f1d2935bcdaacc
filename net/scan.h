#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "net/http.h"

namespace qwend {

/// The grammar of HTTP/1.1, octet by octet: whatever the pieces in which a request arrives, its
/// first offence is found at the same octet and has the same answer. Each scan writes what it let
/// pass in the one form that no parser misreads: a space after the colon, none behind the value, no
/// chunk extensions, no trailers. Sources: RFC 9110, 5.5 and 5.6; RFC 9112, 2 to 7.

/// Why a request is refused: the status of its answer, and a message.
struct Offence {
    int status = 0;
    const char* message = "";
};

enum class ScanStep {
    more,
    line,  // a line is complete
    end,   // so is the whole section
    bad,   // offence() says why
};

/// "METHOD target HTTP/1.1", and up to two empty lines before it. A target in absolute form is
/// written in origin form; authority() has the rest of it.
class RequestLineScan {
  public:
    explicit RequestLineScan(size_t max_target) : max_target_(max_target) {}

    ScanStep take(char c, std::string& clean);
    const Offence& offence() const { return offence_; }

    bool began() const { return !method_.empty(); }
    const std::string& method() const { return method_; }
    const std::string& target() const { return target_; }
    const std::string& authority() const { return authority_; }  // empty in origin form
    bool http_1_0() const { return minor_version_ == '0'; }

  private:
    enum class State { start, start_cr, method, target, scheme, authority, path, version, cr, lf };

    ScanStep bad(int status, const char* message);
    ScanStep take_start(char c);
    ScanStep take_method(char c);
    ScanStep take_target(char c);
    ScanStep take_path(char c);
    ScanStep take_version(char c);

    size_t max_target_;
    State state_ = State::start;
    int n_empty_lines_ = 0;
    size_t n_target_ = 0;     // bytes, as sent
    size_t n_version_ = 0;    // bytes of "HTTP/1.1"
    char minor_version_ = 0;  // '0' or '1'
    std::string method_, scheme_, authority_, target_;
    Offence offence_;
};

/// Header fields or trailers, up to the empty line behind them.
class FieldScan {
  public:
    explicit FieldScan(const HttpLimits& limits) : limits_(limits) {}

    /// After ScanStep::line, `clean` ends in "Name: value\r\n"; after end, in "\r\n".
    ScanStep take(char c, std::string& clean);
    const Offence& offence() const { return offence_; }

  private:
    enum class State { line, name, space, value, cr, end };

    ScanStep bad(int status, const char* message);
    ScanStep take_line_start(char c, std::string& clean);
    ScanStep take_name(char c, std::string& clean);
    ScanStep take_value(char c, std::string& clean);

    const HttpLimits& limits_;
    State state_ = State::line;
    size_t n_bytes_ = 0, n_spaces_ = 0;  // of the section; at the end of the value so far
    int n_fields_ = 0;
    Offence offence_;
};

/// A body in chunks: everything but their data, which the caller passes by.
class ChunkScan {
  public:
    ChunkScan(const HttpLimits& limits, size_t max_body)
        : limits_(limits), max_body_(max_body), trailers_(limits) {}

    uint64_t n_data_left() const { return n_data_left_; }  // bytes of data that come next
    void skip_data(size_t n) { n_data_left_ -= n; }

    /// The next byte, if no data comes next. Extensions of all chunks together, and trailers, are
    /// bounded like the headers.
    ScanStep take(char c, std::string& clean);
    const Offence& offence() const { return offence_; }

  private:
    enum class State {
        size,
        digits,
        extension_due,  // white space after a size or an extension: only another extension may come
        name_due,
        name,
        after_name,
        value_due,
        token,
        quoted,
        escaped,
        after_quoted,
        size_lf,
        data_cr,
        data_lf,
        trailers,
    };

    ScanStep bad(int status, const char* message);
    ScanStep take_size(char c);
    ScanStep take_extension(char c);
    bool take_delimiter(char c);
    ScanStep end_size(std::string& clean);

    const HttpLimits& limits_;
    const size_t max_body_;
    FieldScan trailers_;
    std::string dropped_;  // trailers
    State state_ = State::size;
    uint64_t size_ = 0, n_body_ = 0, n_data_left_ = 0;
    int n_digits_ = 0;
    size_t n_extension_bytes_ = 0;
    Offence offence_;
};

/// Whether this is "host", "host:port" or "[IPv6]:port", without user information. RFC 9110, 4.2.
bool is_authority(std::string_view text);

}  // namespace qwend
