// The request parser without sockets: every split of an input must give the same.

#include "net/parser.h"

#include <doctest/doctest.h>

#include <random>

using namespace qwend;

namespace {

/// What comes of an input, in words: requests and, at last, an error's status.
std::string transcript(std::string_view input, const std::vector<size_t>& pieces) {
    HttpLimits limits;
    RequestParser parser(limits);
    std::string out;
    size_t at = 0;
    for (size_t piece = 0; at < input.size(); piece++) {
        std::string_view data = input.substr(at, pieces[piece % pieces.size()]);
        at += data.size();
        while (!data.empty()) {
            const auto [consumed, event] = parser.feed(data);
            data.remove_prefix(consumed);
            if (event == RequestParser::Event::error) return out + std::to_string(parser.status());
            const bool complete = event == RequestParser::Event::complete ||
                                  (event == RequestParser::Event::headers && !parser.has_body());
            if (!complete) continue;
            out += parser.request().method + " " + parser.request().target + " [" +
                   parser.request().body + "] ";
            parser.reset();
        }
    }
    return out;
}

const std::string kGet = "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string kPost = "POST /p HTTP/1.1\r\nhost: x\r\nContent-Length: 5\r\n\r\nhello";
const std::string kChunked =
    "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
    "chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n"
    "Trailer: t\r\n\r\n";

}  // namespace

TEST_CASE("parser: whole, byte by byte and in random pieces the same") {
    std::mt19937 random(std::random_device{}());
    for (const std::string& input :
         {kGet, kPost, kChunked, kGet + kPost + kChunked + kGet, "\r\n" + kGet, "\r\n\r\n" + kPost,
          kGet + "BAD", kPost + "GET / HTTP/1.1\r\n\r\n"}) {
        const std::string whole = transcript(input, {input.size()});
        CHECK(transcript(input, {1}) == whole);
        for (int round = 0; round < 50; round++) {
            std::vector<size_t> pieces;
            for (int i = 0; i < 7; i++) pieces.push_back(1 + random() % 20);
            CHECK(transcript(input, pieces) == whole);
        }
    }
    CHECK(transcript(kGet + kPost + kChunked, {7}) ==
          "GET /a?b [] POST /p [hello] POST /c [abcde] ");
}

TEST_CASE("parser: what HTTP/1.1 does not allow, and what would let requests be smuggled") {
    struct Case {
        std::string input;
        const char* status;
    };
    const std::string start = "POST / HTTP/1.1\r\nHost: x\r\n";
    for (auto& c : std::vector<Case>{
             {"GET / HTTP/1.1\r\n\r\n", "400"},
             {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
             {"GET / HTTP/1.1\nHost: a\n\n", "400"},
             {"GET / HTTP/1.1\r\nHost: a\r\rX", "400"},
             {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
             {"GET / HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n", "400"},
             {std::string("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 29), "400"},
             {"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", "400"},
             {"G\x01T / HTTP/1.1\r\n\r\n", "400"},
             {"\x16\x03\x01\x02", "400"},
             {start + "Content-Length: +1\r\n\r\n", "400"},
             {start + "Content-Length: -1\r\n\r\n", "400"},
             {start + "Content-Length: 0x1\r\n\r\n", "400"},
             {start + "Content-Length: 1 2\r\n\r\n", "400"},
             {start + "Content-Length: 1, 1\r\n\r\n", "400"},
             {start + "Content-Length: \r\n\r\n", "400"},
             {start + "Content-Length: 12345678901234567890\r\n\r\n", "400"},
             {start + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", "400"},
             {start + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
             {start + "Transfer-Encoding: xchunked\r\n\r\n", "400"},
             {start + "Transfer-Encoding: identity\r\n\r\n", "400"},
             {start + "Transfer-Encoding: chunked, gzip\r\n\r\n", "400"},
             {start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
             {start + "Transfer-Encoding: gzip, chunked\r\n\r\n", "501"},
             {start + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "400"},
             {start + "Transfer-Encoding: chunked\r\n\r\n1\r\nab", "400"},
             {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
             {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "505"},
             {"GET / HTTP/9.9\r\nHost: x\r\n\r\n", "505"},
             {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
             {"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
             {start + "Content-Length: 99999999\r\n\r\n", "413"},
             {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n", "414"},
             {start + "A: " + std::string(40000, 'a') + "\r\n\r\n", "431"}}) {
        CAPTURE(c.input.substr(0, 120));
        CHECK(transcript(c.input, {c.input.size()}) == c.status);
        CHECK(transcript(c.input, {1}) == c.status);
    }
    std::string many = start;
    for (int i = 0; i < 101; i++) many += "a: b\r\n";
    CHECK(transcript(many + "\r\n", {many.size() + 2}) == "431");
}
