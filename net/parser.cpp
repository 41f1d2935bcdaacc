#include "net/parser.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace qwend {

namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = char(std::tolower(uint8_t(c)));
    return out;
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

}  // namespace

RequestParser::RequestParser(const HttpLimits& limits) : limits_(limits) {
    llhttp_settings_init(&settings_);
    settings_.on_url = [](llhttp_t* p, const char* at, size_t n) {
        return static_cast<RequestParser*>(p->data)->on_url({at, n});
    };
    settings_.on_header_field = [](llhttp_t* p, const char* at, size_t n) {
        return static_cast<RequestParser*>(p->data)->on_field({at, n});
    };
    settings_.on_header_value = [](llhttp_t* p, const char* at, size_t n) {
        return static_cast<RequestParser*>(p->data)->on_value({at, n});
    };
    settings_.on_body = [](llhttp_t* p, const char* at, size_t n) {
        return static_cast<RequestParser*>(p->data)->on_body({at, n});
    };
    settings_.on_headers_complete = [](llhttp_t* p) {
        auto* parser = static_cast<RequestParser*>(p->data);
        parser->finish_header();
        parser->headers_complete_ = true;
        p->upgrade = 0;  // an Upgrade we do not offer is ignored
        return 0;
    };
    settings_.on_message_complete = [](llhttp_t* p) {
        static_cast<RequestParser*>(p->data)->message_complete_ = true;
        return int(HPE_PAUSED);
    };
    reset();
}

void RequestParser::reset() {
    llhttp_init(&llhttp_, HTTP_REQUEST, &settings_);
    llhttp_.data = this;
    request_ = {};
    phase_ = Phase::leading;
    field_.clear(), value_.clear(), message_.clear();
    in_value_ = headers_complete_ = message_complete_ = false;
    has_body_ = http_1_0_ = expects_continue_ = false;
    keep_alive_ = true;
    n_header_bytes_ = 0;
    n_leading_ = n_line_bytes_ = status_ = 0;
    previous_ = 0;
}

RequestParser::Progress RequestParser::feed(std::string_view data) {
    if (status_) return {0, Event::error};
    if (phase_ == Phase::leading || phase_ == Phase::headers) return feed_headers(data);
    return feed_body(data);
}

/// Scans up to the empty line that ends the headers, and gives llhttp only what the scan let pass.
RequestParser::Progress RequestParser::feed_headers(std::string_view data) {
    size_t begin = 0, at = 0;
    bool ended = false;
    for (; at < data.size() && !ended; at++) {
        const char c = data[at];
        if (phase_ == Phase::leading && (c == '\r' || c == '\n')) {
            begin = at + 1;  // RFC 9112, 2.2: ignore empty lines before a request
            if (c == '\n' && (previous_ != '\r' || ++n_leading_ > 2))
                return {at, fail(400, "empty lines before the request")};
            if (c == '\r' && previous_ == '\r') return {at, fail(400, "bare CR")};
            previous_ = c;
            continue;
        }
        if (phase_ == Phase::leading && previous_ == '\r') return {at, fail(400, "bare CR")};
        if (phase_ == Phase::leading) previous_ = 0;
        phase_ = Phase::headers;
        ended = c == '\n' && previous_ == '\r' && n_line_bytes_ == 0;
        if (!scan_header_byte(c)) break;
    }
    // llhttp sees what came before an offence of the scan: if that offends it already, its verdict
    // counts, as it would have if the bytes had come one by one.
    const int scan_status = std::exchange(status_, 0);
    const std::string_view part = data.substr(begin, at - begin);
    if (!part.empty() && llhttp_execute(&llhttp_, part.data(), part.size()) != HPE_OK &&
        llhttp_get_errno(&llhttp_) != HPE_PAUSED)
        return {at, status_ ? Event::error : fail_from_llhttp()};
    if (status_) return {at, Event::error};
    status_ = scan_status;
    if (status_) return {at, Event::error};
    if (!ended) return {at, Event::need_more};
    if (!headers_complete_) return {at, fail_from_llhttp()};  // an HTTP/2 preface, for one
    return {at, check_headers()};
}

bool RequestParser::scan_header_byte(char c) {
    const uint8_t byte = uint8_t(c);
    if (++n_header_bytes_ > limits_.max_header_bytes + limits_.max_target) {
        fail(431, "the headers are too large");
    } else if (previous_ == '\r' && c != '\n') {
        fail(400, "bare CR in the headers");
    } else if (c == '\n' && previous_ != '\r') {
        fail(400, "bare LF in the headers");
    } else if ((byte < 0x20 && c != '\t' && c != '\r' && c != '\n') || byte == 0x7F) {
        fail(400, "control character in the headers");
    } else if (previous_ == '\n' && (c == ' ' || c == '\t')) {
        fail(400, "folded header");
    }
    if (c == '\n')
        n_line_bytes_ = 0;
    else if (c != '\r')
        n_line_bytes_++;
    previous_ = c;
    return status_ == 0;
}

RequestParser::Progress RequestParser::feed_body(std::string_view data) {
    if (data.empty()) return {0, Event::need_more};
    const llhttp_errno_t error = llhttp_execute(&llhttp_, data.data(), data.size());
    if (status_) return {data.size(), Event::error};
    if (message_complete_) {
        phase_ = Phase::done;
        const char* end = llhttp_get_error_pos(&llhttp_);
        return {end ? size_t(end - data.data()) : data.size(), Event::complete};
    }
    if (error != HPE_OK) return {data.size(), fail_from_llhttp()};
    return {data.size(), Event::need_more};
}

RequestParser::Event RequestParser::fail(int status, std::string message) {
    status_ = status;
    message_ = std::move(message);
    return Event::error;
}

RequestParser::Event RequestParser::fail_from_llhttp() {
    if (llhttp_.method == HTTP_PRI) return fail(505, "HTTP/2 is not offered");
    switch (llhttp_get_errno(&llhttp_)) {
        case HPE_INVALID_VERSION:
        case HPE_PAUSED_H2_UPGRADE:
            return fail(505, "expected HTTP/1.1 or HTTP/1.0");
        default: {
            const char* reason = llhttp_get_error_reason(&llhttp_);
            return fail(400, reason && *reason ? reason : "malformed request");
        }
    }
}

int RequestParser::on_url(std::string_view data) {
    request_.target.append(data);
    if (request_.target.size() <= limits_.max_target) return 0;
    fail(414, "the request target is too long");
    return -1;
}

int RequestParser::on_field(std::string_view data) {
    if (in_value_) finish_header();
    field_.append(data);
    return 0;
}

int RequestParser::on_value(std::string_view data) {
    in_value_ = true;
    value_.append(data);
    return 0;
}

int RequestParser::on_body(std::string_view data) {
    if (request_.body.size() + data.size() <= limits_.max_body) {
        request_.body.append(data);
        return 0;
    }
    fail(413, "the body is too large");
    return -1;
}

void RequestParser::finish_header() {
    // Trailers arrive here too, after the headers; they are ignored.
    if (!headers_complete_ && (in_value_ || !field_.empty())) {
        if (int(request_.headers.size()) >= limits_.max_header_fields)
            fail(431, "too many header fields");
        else if (field_.empty())
            fail(400, "empty header name");
        else
            request_.headers.emplace_back(lower(field_), std::string(trim(value_)));
    }
    field_.clear(), value_.clear();
    in_value_ = false;
}

RequestParser::Event RequestParser::check_headers() {
    if (status_) return Event::error;
    request_.method = llhttp_method_name(llhttp_method_t(llhttp_.method));
    request_.head = request_.method == "HEAD";
    const size_t question = request_.target.find('?');
    request_.path = request_.target.substr(0, question);
    if (question != std::string::npos) request_.query = request_.target.substr(question + 1);
    http_1_0_ = llhttp_.http_major == 1 && llhttp_.http_minor == 0;
    if (!http_1_0_ && !(llhttp_.http_major == 1 && llhttp_.http_minor == 1))
        return fail(505, "expected HTTP/1.1 or HTTP/1.0");
    if (n_header_bytes_ - request_.target.size() > limits_.max_header_bytes)
        return fail(431, "the headers are too large");
    if (request_.method == "CONNECT") return fail(405, "CONNECT is not offered");
    if (!check_host() || !check_framing()) return Event::error;
    keep_alive_ = llhttp_should_keep_alive(&llhttp_) != 0;
    const std::string expect = lower(request_.header("expect"));
    expects_continue_ = !http_1_0_ && has_body_ && expect == "100-continue";
    if (!expect.empty() && expect != "100-continue") return fail(417, "unknown expectation");
    phase_ = message_complete_ ? Phase::done : Phase::body;
    return Event::headers;
}

bool RequestParser::check_host() {
    const auto n_hosts = std::count_if(request_.headers.begin(), request_.headers.end(),
                                       [](auto& header) { return header.first == "host"; });
    if (n_hosts > 1 || (n_hosts == 0 && !http_1_0_)) {
        fail(400, n_hosts ? "more than one Host" : "expected a Host header");
        return false;
    }
    return true;
}

/// A body is framed by exactly one well-formed Content-Length or by "chunked", or there is none.
/// Anything else is how requests are smuggled past a proxy. RFC 9112, 6.3.
bool RequestParser::check_framing() {
    int n_lengths = 0, n_encodings = 0;
    std::string_view length;
    std::string encoding;
    for (auto& [name, value] : request_.headers) {
        if (name == "content-length") n_lengths++, length = value;
        if (name == "transfer-encoding") n_encodings++, encoding = lower(value);
    }
    auto bad = [&](int status, const char* why) {
        fail(status, why);
        return false;
    };
    if (n_encodings > 0) {
        if (http_1_0_) return bad(400, "Transfer-Encoding in HTTP/1.0");
        if (n_lengths > 0) return bad(400, "both Content-Length and Transfer-Encoding");
        if (n_encodings > 1) return bad(400, "more than one Transfer-Encoding");
        if (encoding == "gzip, chunked" || encoding == "deflate, chunked")
            return bad(501, "compressed bodies are not offered");
        if (encoding != "chunked") return bad(400, "expected Transfer-Encoding: chunked");
        has_body_ = true;
        return true;
    }
    if (n_lengths > 1) return bad(400, "more than one Content-Length");
    if (n_lengths == 0) return true;
    constexpr size_t kMaxDigits = 18;
    if (length.empty() || length.size() > kMaxDigits ||
        !std::all_of(length.begin(), length.end(), [](char c) { return c >= '0' && c <= '9'; }))
        return bad(400, "malformed Content-Length");
    const uint64_t n = std::stoull(std::string(length));
    if (n > limits_.max_body) return bad(413, "the body is too large");
    has_body_ = n > 0;
    request_.body.reserve(std::min<uint64_t>(n, 64 << 10));
    return true;
}

}  // namespace qwend
