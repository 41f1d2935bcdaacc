#pragma once

#include <llhttp.h>

#include <string>
#include <string_view>

#include "net/http.h"

namespace qwend {

/// Bytes to one HTTP/1.x request, in any pieces. llhttp does the grammar; in front of it stands a
/// scan of the header section for what llhttp lets through (bare CR and LF, folded headers, control
/// characters), behind it the rules it leaves to its user (Host, versions, framing, limits).
/// Sources: RFC 9110, RFC 9112.
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

    HttpRequest& request() { return request_; }
    bool began() const { return n_header_bytes_ > 0; }  // of a request there is at least one byte
    bool in_body() const { return phase_ == Phase::body; }
    bool has_body() const { return has_body_; }      // once the headers are complete
    bool keep_alive() const { return keep_alive_; }  // what the client would like
    bool http_1_0() const { return http_1_0_; }
    bool expects_continue() const { return expects_continue_; }
    int status() const { return status_; }
    const std::string& message() const { return message_; }

  private:
    enum class Phase { leading, headers, body, done };

    Progress feed_headers(std::string_view data);
    Progress feed_body(std::string_view data);
    Event fail(int status, std::string message);
    Event fail_from_llhttp();
    bool scan_header_byte(char c);
    Event check_headers();
    bool check_framing();
    bool check_host();
    void finish_header();
    int on_url(std::string_view data);
    int on_field(std::string_view data);
    int on_value(std::string_view data);
    int on_body(std::string_view data);

    const HttpLimits& limits_;
    llhttp_settings_t settings_;
    llhttp_t llhttp_;
    HttpRequest request_;
    Phase phase_ = Phase::leading;
    std::string field_, value_;
    bool in_value_ = false;
    size_t n_header_bytes_ = 0;
    int n_leading_ = 0;     // empty lines before the request
    char previous_ = 0;     // header byte
    int n_line_bytes_ = 0;  // of the current header line, CR and LF aside
    bool headers_complete_ = false, message_complete_ = false;
    bool has_body_ = false, keep_alive_ = true, http_1_0_ = false, expects_continue_ = false;
    int status_ = 0;
    std::string message_;
};

}  // namespace qwend
