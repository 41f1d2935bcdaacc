#pragma once

#include <llhttp.h>

#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"
#include "net/scan.h"

namespace qwend {

/// Bytes to one HTTP/1.x request, in any pieces. The scan in front decides what is HTTP; llhttp
/// gets whole lines that passed, in one form, and does the framing: so every version of it says the
/// same. Behind it stand the rules it leaves to its user (Host, framing, limits). The first offence
/// in the stream decides the answer. Sources: RFC 9110, RFC 9112.
class RequestParser {
  public:
    enum class Event {
        need_more,  // everything was consumed
        headers,    // the headers are complete; the body, if any, is not consumed
        complete,   // the request is complete
        error,      // status() and message() say what to answer before closing
    };
    struct Progress {
        size_t consumed;
        Event event;
    };

    explicit RequestParser(const HttpLimits& limits);
    RequestParser(const RequestParser&) = delete;

    void reset();  // ready for the next request
    Progress feed(std::string_view data);

    /// After Event::headers: how long this request's body may be (max_body of the limits until
    /// then), and whether it is wanted or only read. Returns need_more, or error if it is announced
    /// to be longer.
    Event limit_body(size_t max_body, bool keep);

    HttpRequest& request() { return request_; }
    bool began() const { return line_scan_->began(); }  // of a request there is at least one byte
    bool has_body() const { return has_body_; }         // once the headers are complete
    bool keep_alive() const { return keep_alive_; }     // what the client would like
    bool http_1_0() const { return line_scan_->http_1_0(); }
    bool expects_continue() const { return expects_continue_; }
    int status() const { return offence_.status; }
    std::string message() const { return offence_.message; }

  private:
    enum class Phase { request_line, headers, body, done };

    Progress feed_headers(std::string_view data);
    Progress feed_body(std::string_view data);
    Progress feed_chunks(std::string_view data);
    bool run_llhttp(std::string_view data);
    bool fail(int status, const char* message);
    bool end_line(ScanStep step);
    void begin_request();
    bool take_field(std::string_view line);
    bool check_host(std::string_view value);
    bool check_length(std::string_view value);
    bool check_encoding(std::string_view value);
    bool check_expectation(std::string_view value);
    bool end_headers();
    Event end_body();
    int on_body(std::string_view data);

    const HttpLimits& limits_;
    llhttp_settings_t settings_;
    llhttp_t llhttp_;
    HttpRequest request_;
    Phase phase_ = Phase::request_line;
    // Made anew for each request.
    std::optional<RequestLineScan> line_scan_;
    std::optional<FieldScan> field_scan_;
    std::optional<ChunkScan> chunk_scan_;
    std::string clean_;  // the line that is being scanned
    int n_hosts_ = 0, n_lengths_ = 0, n_encodings_ = 0;
    uint64_t length_ = 0;  // of the body that is still to come, unless it is chunked
    bool message_complete_ = false, has_body_ = false, keeps_body_ = true;
    bool keep_alive_ = true, expects_continue_ = false;
    Offence offence_;
};

}  // namespace qwend
