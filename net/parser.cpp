#include "net/parser.h"

#include <algorithm>
#include <cctype>
#include <exception>
#include <utility>

namespace qwend {

namespace {

constexpr size_t kFirstBytes = 64 << 10;  // of a body; more is set aside only once this much came

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
    settings_.on_body = [](llhttp_t* p, const char* at, size_t n) {
        return static_cast<RequestParser*>(p->data)->on_body({at, n});
    };
    settings_.on_headers_complete = [](llhttp_t* p) {
        static_cast<RequestParser*>(p->data)->keep_alive_ = llhttp_should_keep_alive(p) != 0;
        p->upgrade = 0;  // an Upgrade we do not offer is ignored
        return 0;
    };
    settings_.on_message_complete = [](llhttp_t* p) {
        static_cast<RequestParser*>(p->data)->message_complete_ = true;
        return 0;
    };
    reset();
}

void RequestParser::reset() {
    llhttp_init(&llhttp_, HTTP_REQUEST, &settings_);
    llhttp_.data = this;
    request_ = {};
    phase_ = Phase::request_line;
    line_scan_.emplace(limits_.max_target);
    field_scan_.emplace(limits_);
    chunk_scan_.reset();
    clean_.clear();
    n_hosts_ = n_lengths_ = n_encodings_ = 0;
    length_ = 0;
    message_complete_ = has_body_ = expects_continue_ = false;
    keeps_body_ = keep_alive_ = true;
    offence_ = {};
}

RequestParser::Progress RequestParser::feed(std::string_view data) {
    if (offence_.status) return {0, Event::error};
    if (phase_ == Phase::request_line || phase_ == Phase::headers) return feed_headers(data);
    return chunk_scan_ ? feed_chunks(data) : feed_body(data);
}

RequestParser::Progress RequestParser::feed_headers(std::string_view data) {
    for (size_t at = 0; at < data.size();) {
        const bool in_line = phase_ == Phase::request_line;
        const char c = data[at++];
        const ScanStep step = in_line ? line_scan_->take(c, clean_) : field_scan_->take(c, clean_);
        if (step == ScanStep::more) continue;
        if (step == ScanStep::bad)
            offence_ = in_line ? line_scan_->offence() : field_scan_->offence();
        if (step == ScanStep::bad || !end_line(step)) return {at, Event::error};
        if (step == ScanStep::end) return {at, Event::headers};
    }
    return {data.size(), Event::need_more};
}

/// What a line of the header section says, then what llhttp says to it. False: an error.
bool RequestParser::end_line(ScanStep step) {
    if (phase_ == Phase::request_line) {
        begin_request();
    } else if (step == ScanStep::line) {
        if (!take_field(std::string_view(clean_).substr(0, clean_.size() - 2))) return false;
    } else if (!end_headers()) {
        return false;
    }
    const bool good = run_llhttp(clean_);
    clean_.clear();
    if (good && message_complete_ != (phase_ == Phase::done)) return fail(400, "malformed headers");
    return good;
}

void RequestParser::begin_request() {
    phase_ = Phase::headers;
    request_.method = line_scan_->method();
    request_.head = request_.method == "HEAD";
    request_.target = line_scan_->target();
    const size_t question = request_.target.find('?');
    request_.path = request_.target.substr(0, question);
    if (question != std::string::npos) request_.query = request_.target.substr(question + 1);
}

bool RequestParser::take_field(std::string_view line) {
    const size_t colon = line.find(':');
    std::string name = lower(line.substr(0, colon));
    const std::string_view value = line.substr(colon + 2);
    const bool good = name == "host"                ? check_host(value)
                      : name == "content-length"    ? check_length(value)
                      : name == "transfer-encoding" ? check_encoding(value)
                      : name == "expect"            ? check_expectation(value)
                                                    : true;
    if (good) request_.headers.emplace_back(std::move(name), value);
    return good;
}

bool RequestParser::check_host(std::string_view value) {
    if (++n_hosts_ > 1) return fail(400, "more than one Host");
    return value.empty() || is_authority(value) || fail(400, "malformed Host");
}

/// A body is framed by exactly one well-formed Content-Length or by "chunked", or there is none.
/// Anything else is how requests are smuggled past a proxy. RFC 9112, 6.3.
bool RequestParser::check_length(std::string_view value) {
    constexpr size_t kMaxDigits = 18;
    if (++n_lengths_ > 1) return fail(400, "more than one Content-Length");
    if (n_encodings_ > 0) return fail(400, "both Content-Length and Transfer-Encoding");
    if (value.empty() || value.size() > kMaxDigits ||
        !std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; }))
        return fail(400, "malformed Content-Length");
    length_ = std::stoull(std::string(value));
    has_body_ = length_ > 0;
    return true;
}

bool RequestParser::check_encoding(std::string_view value) {
    if (http_1_0()) return fail(400, "Transfer-Encoding in HTTP/1.0");
    if (n_lengths_ > 0) return fail(400, "both Content-Length and Transfer-Encoding");
    if (++n_encodings_ > 1) return fail(400, "more than one Transfer-Encoding");
    const size_t comma = value.rfind(',');
    const std::string last =
        lower(trim(comma == std::string_view::npos ? value : value.substr(comma + 1)));
    if (last != "chunked") return fail(400, "expected Transfer-Encoding: chunked");
    if (comma != std::string_view::npos) {
        const bool doubled = lower(value.substr(0, comma)).find("chunked") != std::string::npos;
        return doubled ? fail(400, "expected Transfer-Encoding: chunked")
                       : fail(501, "compressed bodies are not offered");
    }
    has_body_ = true;
    return true;
}

bool RequestParser::check_expectation(std::string_view value) {
    if (lower(value) != "100-continue") return fail(417, "unknown expectation");
    expects_continue_ = !http_1_0();
    return true;
}

bool RequestParser::end_headers() {
    if (n_hosts_ == 0 && !http_1_0()) return fail(400, "expected a Host header");
    // RFC 9112, 3.2.2: the target's host counts, not the header's.
    if (const std::string& authority = line_scan_->authority(); !authority.empty()) {
        std::erase_if(request_.headers, [](auto& header) { return header.first == "host"; });
        request_.headers.emplace_back("host", authority);
    }
    expects_continue_ = expects_continue_ && has_body_;
    phase_ = has_body_ ? Phase::body : Phase::done;
    if (has_body_ && n_encodings_ > 0) chunk_scan_.emplace(limits_, limits_.max_body);
    return true;
}

RequestParser::Event RequestParser::limit_body(size_t max_body, bool keep) {
    keeps_body_ = keep;
    if (chunk_scan_)
        chunk_scan_.emplace(limits_, max_body);
    else if (length_ > max_body && !fail(413, "the body is too large"))
        return Event::error;
    return Event::need_more;
}

RequestParser::Progress RequestParser::feed_body(std::string_view data) {
    if (length_ > limits_.max_body && !fail(413, "the body is too large")) return {0, Event::error};
    const std::string_view part = data.substr(0, std::min<uint64_t>(length_, data.size()));
    length_ -= part.size();
    if (!run_llhttp(part)) return {part.size(), Event::error};
    if (length_ > 0) return {part.size(), Event::need_more};
    return {part.size(), end_body()};
}

RequestParser::Progress RequestParser::feed_chunks(std::string_view data) {
    for (size_t at = 0; at < data.size();) {
        if (const uint64_t n_left = chunk_scan_->n_data_left(); n_left > 0) {
            const std::string_view part = data.substr(at, n_left);
            at += part.size();
            chunk_scan_->skip_data(part.size());
            if (!run_llhttp(part)) return {at, Event::error};
            continue;
        }
        const ScanStep step = chunk_scan_->take(data[at++], clean_);
        if (step == ScanStep::more) continue;
        if (step == ScanStep::bad) offence_ = chunk_scan_->offence();
        if (step == ScanStep::bad || !run_llhttp(clean_)) return {at, Event::error};
        clean_.clear();
        if (step != ScanStep::end) continue;
        return {at, end_body()};
    }
    return {data.size(), Event::need_more};
}

/// llhttp must agree that this is the end; if not, one of the two can be misled.
RequestParser::Event RequestParser::end_body() {
    phase_ = Phase::done;
    if (!message_complete_) fail(400, "malformed body");
    return message_complete_ ? Event::complete : Event::error;
}

/// False: an error.
bool RequestParser::run_llhttp(std::string_view data) {
    if (data.empty()) return true;
    const llhttp_errno_t error = llhttp_execute(&llhttp_, data.data(), data.size());
    if (offence_.status) return false;
    if (error == HPE_OK) return true;
    return fail(400, "malformed request");
}

bool RequestParser::fail(int status, const char* message) {
    offence_ = {status, message};
    return false;
}

int RequestParser::on_body(std::string_view data) {
    if (!keeps_body_) return 0;
    try {
        std::string& body = request_.body;
        const size_t n = body.size() + data.size();
        // What a client announces is set aside only for one that sends.
        if (length_ > 0 && n > kFirstBytes) body.reserve(n + length_);
        body.append(data);
        return 0;
    } catch (const std::exception&) {  // llhttp is C, and cannot carry it
        fail(503, "out of memory");
        return -1;
    }
}

}  // namespace qwend
