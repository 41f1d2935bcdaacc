// The request parser without sockets: every split of an input must give the same.

#include "net/parser.h"

#include <doctest/doctest.h>

#include <random>

#include "tests/unit/net/http_transcript.h"

using namespace qwend;

namespace {

struct Case {
    std::string input;
    int status;  // 0: a request
};

const std::string kGet = "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string kPost = "POST /p HTTP/1.1\r\nhost: x\r\nContent-Length: 5\r\n\r\nhello";
const std::string kStart = "POST / HTTP/1.1\r\nHost: x\r\n";
const std::string kChunks = kStart + "Transfer-Encoding: chunked\r\n\r\n";
const std::string kChunked = kChunks + "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n";

std::string nul(std::string text) {
    for (char& c : text)
        if (c == '@') c = '\0';
    return text;
}

std::string target(const std::string& text) {
    return "GET " + text + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

std::string host(const std::string& text) {
    return "GET / HTTP/1.1\r\nHost:" + text + "\r\n\r\n";
}

const std::vector<Case> kRequestLines = {
    {kGet, 0},
    {"\r\n" + kGet, 0},
    {"\r\n\r\n" + kPost, 0},
    {"\r\n\r\n\r\n" + kGet, 400},
    {"\n" + kGet, 400},
    {"\r" + kGet, 400},
    {" " + kGet, 400},
    {"GRAB / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"get / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"DESCRIBE / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"QUERY / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n", 0},
    {"G\x01T / HTTP/1.1\r\n\r\n", 400},
    {"\x16\x03\x01\x02", 400},
    {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET /  HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400},
    {"GET / HTTP/1.1\nHost: x\n\n", 400},
    {"GET / HTTP/1.1\r\r\nHost: x\r\n\r\n", 400},
    {"GET / RTSP/1.0\r\nHost: x\r\n\r\n", 400},
    {"GET / ICE/1.0\r\nHost: x\r\n\r\n", 400},
    {"GET / http/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET / HTTP/1\r\nHost: x\r\n\r\n", 400},
    {"GET / HTTP/1.10\r\nHost: x\r\n\r\n", 400},
    {"GET /\r\n\r\n", 505},
    {"GET / HTTP/0.9\r\n\r\n", 505},
    {"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505},
    {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
    {"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 405},
    {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 0},
    {target("*"), 400},
    {target("/a/b;c=d?e=f&g[]=%20|h"), 0},
    {target("/a#b"), 400},
    {target("/caf\xC3\xA9"), 400},
    {target("/a\x7F"), 400},
    {target("a/b"), 400},
    {target("?a"), 400},
    {target("http://h/a"), 0},
    {target("HTTP://h:80/a?b"), 0},
    {target("https://[::1]:8000/"), 0},
    {target("http://h"), 0},
    {target("http:///a"), 400},
    {target("http:/h/a"), 400},
    {target("ftp://h/a"), 400},
    {target("http://user@h/a"), 400},
    {target("http://h:x/a"), 400},
    {target("http://h:123456/a"), 400},
    {target("/" + std::string(8191, 'a')), 0},
    {target("/" + std::string(8192, 'a')), 414},
    {target("http://h/" + std::string(8192, 'a')), 414},
};

const std::vector<Case> kFields = {
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\n\r\n", 0},
    {"GET http://h/ HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n\tb: c\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nb\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n\xC3\xA9: x\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n\"b\": x\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\rX", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n\rX", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nB: c\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
    {nul("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"), 400},
    {nul("GET / HTTP/1.1\r\nHost: a\r\nB@: c\r\n\r\n"), 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nB: \x7F\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nB: caf\xC3\xA9 \xFF\r\n\r\n", 0},
    {"GET / HTTP/1.1\r\nHost: a\r\nB:c\r\nD: \t e\tf \t\r\nG:\r\n\r\n", 0},
    {host(" localhost"), 0},
    {host("\tlocalhost:8000\t"), 0},
    {host(" [::1]:8000"), 0},
    {host(" a_b.example"), 0},
    {host(""), 0},
    {host(" user@localhost"), 400},
    {host(" localhost/a"), 400},
    {host(" http://localhost"), 400},
    {host(" local host"), 400},
    {host(" localhost, b"), 400},
    {host(" a\"b"), 400},
    {host(" a:b"), 400},
    {host(" [::1].evil"), 400},
    {host(" [::1"), 400},
    {host(" []"), 400},
    {host(" caf\xC3\xA9"), 400},
    {kStart + "A: " + std::string(40000, 'a') + "\r\n\r\n", 431},
    {kStart + "A: " + std::string(40000, ' ') + "\r\n\r\n", 431},
    {kStart + "Expect: cake\r\nContent-Length: 1\r\n\r\nx", 417},
    // The first offence counts.
    {kStart + "Expect: cake\r\nContent-Length: +1\r\n\r\n", 417},
    {kStart + "Content-Length: +1\r\nExpect: cake\r\n\r\n", 400},
    {"GET /a HTTP/2.0\nHost: x\r\n\r\n", 505},
    {"GRAB /" + std::string(9000, 'a') + " HTTP/3.0\r\n", 400},
    {"GET /" + std::string(9000, 'a') + "\x01 HTTP/3.0\r\n", 414},
    {kStart + "Transfer-Encoding: gzip, chunked\r\nB\n", 501},
};

const std::vector<Case> kFraming = {
    {kPost, 0},
    {kStart + "Content-Length:\t5\t\r\n\r\nhello", 0},
    {kStart + "Content-Length: 5 \t \r\n\r\nhello", 0},
    {kStart + "Content-Length: 0\r\n\r\n", 0},
    {kStart + "Content-Length: 005\r\n\r\nhello", 0},
    {kStart + "Content-Length: +1\r\n\r\n", 400},
    {kStart + "Content-Length: -1\r\n\r\n", 400},
    {kStart + "Content-Length: 0x1\r\n\r\n", 400},
    {kStart + "Content-Length: 1 2\r\n\r\n", 400},
    {kStart + "Content-Length: 1\t2\r\n\r\n", 400},
    {kStart + "Content-Length: 1, 1\r\n\r\n", 400},
    {kStart + "Content-Length: \r\n\r\n", 400},
    {kStart + "Content-Length: 12345678901234567890\r\n\r\n", 400},
    {kStart + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
    {kStart + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {kStart + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
    {kStart + "Content-Length: 99999999\r\n\r\n", 413},
    {kStart + "Transfer-Encoding: xchunked\r\n\r\n", 400},
    {kStart + "Transfer-Encoding: identity\r\n\r\n", 400},
    {kStart + "Transfer-Encoding: chunked, gzip\r\n\r\n", 400},
    {kStart + "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
    {kStart + "Transfer-Encoding: chunked;q=1\r\n\r\n", 400},
    {kStart + "Transfer-Encoding:\r\n\r\n", 400},
    {kStart + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {kStart + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {kStart + "Transfer-Encoding: gzip\t,chunked \r\n\r\n", 501},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {kStart + "Transfer-Encoding:\t\tChunked\t\r\n\r\n1\r\na\r\n0\r\n\r\n", 0},
};

const std::vector<Case> kBodies = {
    {kChunked, 0},
    {kChunks + "0\r\n\r\n", 0},
    {kChunks + "000000000000000A\r\n0123456789\r\n000\r\n\r\n", 0},
    {kChunks + "00000000000000001\r\na\r\n0\r\n\r\n", 400},
    {kChunks + "1;a;b=c\r\na\r\n0;d\r\n\r\n", 0},
    {kChunks + "1 ;\ta = \"b;\\\"\r\n", 400},
    {kChunks + "1 ;\ta = \"b;\\\"c\t\xC3\xA9\" ; d\r\na\r\n0\r\n\r\n", 0},
    {kChunks + "1;\r\na\r\n0\r\n\r\n", 400},
    {kChunks + "1;=a\r\na\r\n0\r\n\r\n", 400},
    {kChunks + "1;a=\r\na\r\n0\r\n\r\n", 400},
    {kChunks + "1;a=\"b\"c\r\na\r\n0\r\n\r\n", 400},
    {kChunks + "1;a=b\n", 400},
    {kChunks + "1;a=\"\n\"\r\n", 400},
    {nul(kChunks + "1;a=\"@\"\r\n"), 400},
    {kChunks + "1 \r\na\r\n0\r\n\r\n", 400},
    {kChunks + " 1\r\na\r\n0\r\n\r\n", 400},
    {kChunks + "\r\n", 400},
    {kChunks + "0x1\r\n", 400},
    {kChunks + "-1\r\n", 400},
    {kChunks + "xyz\r\n", 400},
    {kChunks + "1\na\n0\n\n", 400},
    {kChunks + "1\rXa", 400},
    {kChunks + "1\r\nab", 400},
    {kChunks + "1\r\na\n0\r\n\r\n", 400},
    {kChunks + "1\r\na\rX", 400},
    {kChunks + "0\r\n\n", 400},
    {kChunks + "0\r\n\rX", 400},
    {kChunks + "0\r\nA: b\n\r\n", 400},
    {kChunks + "0\r\n A: b\r\n\r\n", 400},
    {kChunks + "0\r\nA: b\r\n c\r\n\r\n", 400},
    {kChunks + "0\r\n: b\r\n\r\n", 400},
    {kChunks + "0\r\nA : b\r\n\r\n", 400},
    {kChunks + "0\r\nA\r\n\r\n", 400},
    {nul(kChunks + "0\r\nA: @\r\n\r\n"), 400},
    {kChunks + "0\r\nA: b\xFF\r\nContent-Length: 7\r\nHost: z\r\n\r\n", 0},
    {kChunks + "0\r\nA: " + std::string(33000, 'b'), 431},
    {kChunks + "ffffffffffffffff\r\n", 413},
    {kChunks + "800001\r\n", 413},
    {kChunks + "1\r\na\r\n800000\r\n", 413},
};

std::string repeated(const std::string& text, int n) {
    std::string out;
    for (int i = 0; i < n; i++) out += text;
    return out;
}

void check_every_split(const std::vector<Case>& cases) {
    std::mt19937 random(std::random_device{}());
    for (auto& [one, status] : cases) {
        // What stands before it must not matter, nor what comes after.
        const std::string after = status ? "" : kGet;
        for (const std::string& input : {one + after, kPost + one + after}) {
            CAPTURE(input.substr(0, 200));
            const std::string whole = transcript(input, {input.size()});
            CHECK(whole.substr(whole.size() - 4) != "more");
            if (status)
                CHECK(whole.find("! " + std::to_string(status)) != std::string::npos);
            else
                CHECK(whole.find('!') == std::string::npos);
            CHECK(transcript(input, {1}) == whole);
            // Single splits at either end, where the lines are, and a sample of the others.
            const size_t step =
                std::max<size_t>(1, input.size() > 10000 ? input.size() / 40 : input.size() / 400);
            for (size_t at = 1; at < input.size(); at += step)
                if (transcript(input, {at, input.size()}) != whole) CHECK(at == 0);
            for (int round = 0; round < 10; round++) {
                std::vector<size_t> pieces;
                for (int i = 0; i < 7; i++) pieces.push_back(1 + random() % 20);
                CHECK(transcript(input, pieces) == whole);
            }
        }
    }
}

}  // namespace

TEST_CASE("parser: request lines, however they are split") {
    check_every_split(kRequestLines);
}

TEST_CASE("parser: header fields, however they are split") {
    check_every_split(kFields);
}

TEST_CASE("parser: framing that could let requests be smuggled, however it is split") {
    check_every_split(kFraming);
}

TEST_CASE("parser: chunks, their extensions and trailers, however they are split") {
    check_every_split(kBodies);
}

TEST_CASE("parser: headers, trailers and chunk extensions have bounds in number and bytes") {
    check_every_split(
        {{kStart + repeated("a: b\r\n", 99) + "\r\n", 0},
         {kStart + repeated("a: b\r\n", 100) + "\r\n", 431},
         {kChunks + "0\r\n" + repeated("a: b\r\n", 100) + "\r\n", 0},
         {kChunks + "0\r\n" + repeated("a: b\r\n", 101) + "\r\n", 431},
         {kChunks + "0\r\n" + repeated("a: " + std::string(1000, 'b') + "\r\n", 33), 431},
         {kChunks + repeated("1;a=\"" + std::string(1000, 'b') + "\"\r\nx\r\n", 31) + "0\r\n\r\n",
          0},
         {kChunks + repeated("1;a=\"" + std::string(1000, 'b') + "\"\r\nx\r\n", 33), 431},
         {kChunks + "1;a=" + std::string(33000, 'b'), 431}});
}

TEST_CASE("parser: what becomes of a request") {
    CHECK(transcript(kGet + kPost + kChunked, {7}) ==
          "GET /a?b host=x [] POST /p host=x [hello] POST / host=x [abcde] ");
    CHECK(transcript(target("http://h:1/a?b"), {3}) == "GET /a?b host=h:1 [] ");
    CHECK(transcript(target("https://h"), {3}) == "GET / host=h [] ");
    CHECK(transcript(target("http://h?a"), {3}) == "GET /?a host=h [] ");
    CHECK(transcript("OPTIONS http://h HTTP/1.1\r\nHost: x\r\n\r\n", {3}) ==
          "OPTIONS * host=h [] ");
    CHECK(transcript("GET http://h/ HTTP/1.0\r\n\r\n", {3}) == "GET / host=h [] ");
    HttpLimits limits;
    RequestParser parser(limits);
    parser.feed("GET / HTTP/1.1\r\nHost: x\r\nB: \t c\td \t\r\nE:\r\n\r\n");
    CHECK(parser.request().header("b") == "c d");
    CHECK(parser.request().header("e") == "");
}

TEST_CASE("parser: a route's own bound, and a body nobody wants") {
    HttpLimits limits;
    for (const std::string& input : {kPost, kChunked}) {
        RequestParser parser(limits);
        const auto [n, event] = parser.feed(input);
        REQUIRE(event == RequestParser::Event::headers);
        const bool announced = input == kPost;
        CHECK((parser.limit_body(4, true) == RequestParser::Event::error) == announced);
        if (!announced)
            CHECK(parser.feed(std::string_view(input).substr(n)).event ==
                  RequestParser::Event::error);
        CHECK(parser.status() == 413);
        parser.reset();
        parser.feed(input);
        CHECK(parser.limit_body(5, false) == RequestParser::Event::need_more);
        CHECK(parser.feed(std::string_view(input).substr(n)).event ==
              RequestParser::Event::complete);
        CHECK(parser.request().body.empty());
    }
}

TEST_CASE("parser: what is refused is refused at its first wrong octet") {
    for (auto& [text, n_good] :
         std::vector<std::pair<std::string, size_t>>{{"GET  /", 4},
                                                     {"GET / R", 6},
                                                     {"GET / HTTP/2", 11},
                                                     {"GET /\r", 5},
                                                     {"GRAB ", 4},
                                                     {"PRI ", 3},
                                                     {"\x16", 0},
                                                     {kStart + " ", kStart.size()},
                                                     {kChunks + "0\r\n\n", kChunks.size() + 3}}) {
        const std::string& input = text;
        HttpLimits limits;
        RequestParser parser(limits);
        size_t n = 0;
        CAPTURE(input);
        while (n < input.size()) {
            const auto event = parser.feed(std::string_view(input).substr(n, 1)).event;
            if (event == RequestParser::Event::error) break;
            n++;
        }
        CHECK(n == n_good);
    }
}
