#include "net/scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace qwend {

namespace {

/// Those of the IANA registry that llhttp 8 knows. Others are refused before it sees them: what a
/// newer one knows makes no difference.
constexpr std::string_view kMethods[] = {
    "GET",       "HEAD",       "POST",     "PUT",        "DELETE", "OPTIONS", "PATCH",  "TRACE",
    "COPY",      "LOCK",       "MKCOL",    "MOVE",       "SEARCH", "UNLOCK",  "BIND",   "REBIND",
    "UNBIND",    "ACL",        "REPORT",   "MKACTIVITY", "MERGE",  "LINK",    "UNLINK", "CHECKOUT",
    "PROPPATCH", "MKCALENDAR", "PROPFIND", "CONNECT",    "PRI"};
constexpr size_t kLongestMethod = 10;
constexpr std::string_view kVersion = "HTTP/1.";
constexpr int kMaxEmptyLines = 2;
constexpr int kMaxSizeDigits = 16;

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_token(char c) {
    return is_alphanumeric(c) ||
           (c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

bool is_control(char c) {
    return (uint8_t(c) < 0x20 && c != '\t') || c == 0x7F;
}

bool is_host_char(char c) {
    return is_alphanumeric(c) ||
           (c != 0 && std::string_view("-._~%!$&'()*+,;=").find(c) != std::string_view::npos);
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

bool is_authority(std::string_view text) {
    size_t end;
    if (text.starts_with('[')) {
        end = text.find(']');
        if (end == std::string_view::npos || end < 3) return false;
        for (char c : text.substr(1, end - 1))
            if (hex_digit(c) < 0 && c != ':' && c != '.') return false;
        end++;
    } else {
        end = std::min(text.find(':'), text.size());
        if (end == 0 || !std::all_of(text.begin(), text.begin() + end, is_host_char)) return false;
    }
    if (end == text.size()) return true;
    const std::string_view port = text.substr(end);
    return port[0] == ':' && port.size() <= 6 &&
           std::all_of(port.begin() + 1, port.end(), [](char c) { return c >= '0' && c <= '9'; });
}

ScanStep RequestLineScan::bad(int status, const char* message) {
    offence_ = {status, message};
    return ScanStep::bad;
}

ScanStep RequestLineScan::take(char c, std::string& clean) {
    const bool in_target = state_ >= State::target && state_ <= State::path;
    if (in_target && c != ' ' && ++n_target_ > max_target_)
        return bad(414, "the request target is too long");
    switch (state_) {
        case State::start:
        case State::start_cr:
            return take_start(c);
        case State::method:
            return take_method(c);
        case State::target:
        case State::scheme:
        case State::authority:
            return take_target(c);
        case State::path:
            return take_path(c);
        case State::version:
            return take_version(c);
        case State::cr:
            if (c != '\r') return bad(400, "expected the end of the request line");
            state_ = State::lf;
            return ScanStep::more;
        case State::lf:
            if (c != '\n') return bad(400, "bare CR in the request line");
            clean.append(method_).append(" ").append(target_).append(" ").append(kVersion);
            clean.append(1, minor_version_).append("\r\n");
            return ScanStep::line;
    }
    return bad(400, "malformed request");
}

/// RFC 9112, 2.2: empty lines before a request are ignored.
ScanStep RequestLineScan::take_start(char c) {
    if (state_ == State::start_cr) {
        if (c != '\n') return bad(400, "bare CR before the request");
        if (++n_empty_lines_ > kMaxEmptyLines) return bad(400, "empty lines before the request");
        state_ = State::start;
        return ScanStep::more;
    }
    if (c == '\n') return bad(400, "bare LF before the request");
    state_ = c == '\r' ? State::start_cr : State::method;
    return c == '\r' ? ScanStep::more : take_method(c);
}

ScanStep RequestLineScan::take_method(char c) {
    if (c != ' ') {
        if (!is_token(c) || method_.size() == kLongestMethod)
            return bad(400, "expected a method of HTTP");
        method_ += c;
        return ScanStep::more;
    }
    if (std::find(std::begin(kMethods), std::end(kMethods), method_) == std::end(kMethods))
        return bad(400, "unknown method");
    if (method_ == "PRI") return bad(505, "HTTP/2 is not offered");
    if (method_ == "CONNECT") return bad(405, "CONNECT is not offered");
    state_ = State::target;
    return ScanStep::more;
}

ScanStep RequestLineScan::take_target(char c) {
    if (state_ == State::authority) {
        if (c == '/' || c == '?' || c == ' ') {
            if (!is_authority(authority_)) return bad(400, "malformed host in the request target");
            // RFC 9112, 3.2.4: without a path, OPTIONS means the server as a whole.
            if (c != '/') target_ = c == ' ' && method_ == "OPTIONS" ? "*" : "/";
            state_ = State::path;
            return take_path(c);
        }
        if (!is_host_char(c) && c != ':' && c != '[' && c != ']')
            return bad(400, "malformed host in the request target");
        authority_ += c;
        return ScanStep::more;
    }
    if (state_ == State::target && (c == '/' || c == '*')) {
        if (c == '*' && method_ != "OPTIONS")
            return bad(400, "the request target * is for OPTIONS");
        state_ = State::path;
        return take_path(c);
    }
    state_ = State::scheme;
    scheme_ += is_alphanumeric(c) ? char(c | 0x20) : c;
    if (!std::string_view("http://").starts_with(scheme_) &&
        !std::string_view("https://").starts_with(scheme_))
        return bad(400, "expected a request target that begins with / or http://");
    if (scheme_.ends_with('/') && scheme_[scheme_.size() - 2] == '/') state_ = State::authority;
    return ScanStep::more;
}

ScanStep RequestLineScan::take_path(char c) {
    if (c == ' ') {
        state_ = State::version;
        return ScanStep::more;
    }
    if (c == '\r') return bad(505, "expected HTTP/1.1 or HTTP/1.0");  // HTTP/0.9
    if (c == '\n') return bad(400, "bare LF in the request line");
    if (c < 0x21 || c == 0x7F || c == '#' || target_ == "*")
        return bad(400, "bad character in the request target");
    target_ += c;
    return ScanStep::more;
}

ScanStep RequestLineScan::take_version(char c) {
    const size_t at = n_version_++;
    const bool is_digit = c >= '0' && c <= '9';
    if (at == kVersion.size()) {
        minor_version_ = c;
        state_ = State::cr;
        if (c == '0' || c == '1') return ScanStep::more;
    } else if (c == kVersion[at]) {
        return ScanStep::more;
    }
    const bool is_version = at == kVersion.find('1') || at == kVersion.size();
    return bad(is_digit && is_version ? 505 : 400, "expected HTTP/1.1 or HTTP/1.0");
}

ScanStep FieldScan::bad(int status, const char* message) {
    offence_ = {status, message};
    return ScanStep::bad;
}

ScanStep FieldScan::take(char c, std::string& clean) {
    if (++n_bytes_ > limits_.max_header_bytes) return bad(431, "the headers are too large");
    switch (state_) {
        case State::line:
            return take_line_start(c, clean);
        case State::name:
            return take_name(c, clean);
        case State::space:
        case State::value:
            return take_value(c, clean);
        case State::cr:
        case State::end:
            if (c != '\n') return bad(400, "bare CR in the headers");
            clean += "\r\n";
            n_spaces_ = 0;
            return std::exchange(state_, State::line) == State::end ? ScanStep::end
                                                                    : ScanStep::line;
    }
    return bad(400, "malformed header");
}

ScanStep FieldScan::take_line_start(char c, std::string& clean) {
    if (c == '\r') {
        state_ = State::end;
        return ScanStep::more;
    }
    if (is_blank(c)) return bad(400, "folded header");
    if (c == ':') return bad(400, "empty header name");
    state_ = State::name;
    const ScanStep step = take_name(c, clean);
    if (step == ScanStep::more && ++n_fields_ > limits_.max_header_fields)
        return bad(431, "too many header fields");
    return step;
}

ScanStep FieldScan::take_name(char c, std::string& clean) {
    if (c == ':') {
        clean += ": ";
        state_ = State::space;
        return ScanStep::more;
    }
    if (c == '\n') return bad(400, "bare LF in the headers");
    if (is_blank(c)) return bad(400, "space in a header name");
    if (!is_token(c)) return bad(400, "bad character in a header name");
    clean += c;
    return ScanStep::more;
}

ScanStep FieldScan::take_value(char c, std::string& clean) {
    if (is_blank(c)) {
        if (state_ == State::value) n_spaces_++;
        return ScanStep::more;
    }
    if (c == '\r') {
        state_ = State::cr;
        return ScanStep::more;
    }
    if (c == '\n') return bad(400, "bare LF in the headers");
    if (is_control(c)) return bad(400, "control character in the headers");
    state_ = State::value;
    clean.append(std::exchange(n_spaces_, 0), ' ');
    clean += c;
    return ScanStep::more;
}

ScanStep ChunkScan::bad(int status, const char* message) {
    offence_ = {status, message};
    return ScanStep::bad;
}

ScanStep ChunkScan::take(char c, std::string& clean) {
    switch (state_) {
        case State::size:
        case State::digits:
            return take_size(c);
        case State::size_lf:
            return c == '\n' ? end_size(clean) : bad(400, "bare CR after a chunk size");
        case State::data_cr:
            if (c != '\r') return bad(400, "expected the end of a chunk");
            state_ = State::data_lf;
            return ScanStep::more;
        case State::data_lf:
            if (c != '\n') return bad(400, "bare CR after a chunk");
            clean += "\r\n";
            state_ = State::size;
            return ScanStep::line;
        case State::trailers: {
            const ScanStep step = trailers_.take(c, dropped_);
            if (step != ScanStep::more) dropped_.clear();
            if (step == ScanStep::bad) offence_ = trailers_.offence();
            if (step == ScanStep::end) clean += "\r\n";
            return step == ScanStep::line ? ScanStep::more : step;
        }
        default:
            return take_extension(c);
    }
}

ScanStep ChunkScan::take_size(char c) {
    const int digit = hex_digit(c);
    if (digit >= 0) {
        if (++n_digits_ > kMaxSizeDigits) return bad(400, "malformed chunk size");
        size_ = size_ * 16 + uint64_t(digit);
        state_ = State::digits;
        return ScanStep::more;
    }
    if (state_ == State::size || !take_delimiter(c)) return bad(400, "malformed chunk size");
    return ScanStep::more;
}

/// What may follow a size or an extension.
bool ChunkScan::take_delimiter(char c) {
    if (c == '\r')
        state_ = State::size_lf;
    else if (c == ';')
        state_ = State::name_due;
    else if (is_blank(c))
        state_ = State::extension_due;
    else
        return false;
    return true;
}

/// RFC 9112, 7.1.1: *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
ScanStep ChunkScan::take_extension(char c) {
    if (++n_extension_bytes_ > limits_.max_header_bytes)
        return bad(431, "the chunk extensions are too large");
    bool good = false;
    if (state_ == State::quoted || state_ == State::escaped) {
        good = !is_control(c);
        if (state_ == State::escaped)
            state_ = State::quoted;
        else if (c == '"' || c == '\\')
            state_ = c == '"' ? State::after_quoted : State::escaped;
    } else if (state_ == State::extension_due) {
        good = is_blank(c) || (c == ';' && take_delimiter(c));
    } else if (state_ == State::name_due || state_ == State::value_due) {
        good = is_blank(c) || is_token(c) || (c == '"' && state_ == State::value_due);
        if (c == '"')
            state_ = State::quoted;
        else if (!is_blank(c))
            state_ = state_ == State::name_due ? State::name : State::token;
    } else if (state_ == State::name || state_ == State::after_name) {
        good = true;
        if (c == '=')
            state_ = State::value_due;
        else if (is_blank(c))
            state_ = State::after_name;
        else if (state_ == State::after_name)
            good = c == ';' && take_delimiter(c);
        else
            good = is_token(c) || take_delimiter(c);
    } else {
        good = (state_ == State::token && is_token(c)) || take_delimiter(c);
    }
    return good ? ScanStep::more : bad(400, "malformed chunk extension");
}

ScanStep ChunkScan::end_size(std::string& clean) {
    if (size_ > max_body_ - n_body_) return bad(413, "the body is too large");
    fmt::format_to(std::back_inserter(clean), "{:x}\r\n", size_);
    n_body_ += size_;
    n_data_left_ = size_;
    state_ = size_ > 0 ? State::data_cr : State::trailers;
    size_ = 0;
    n_digits_ = 0;
    return ScanStep::line;
}

}  // namespace qwend
