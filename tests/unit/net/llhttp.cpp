// The llhttp that is linked, whoever compiled it: it must be as strict as the one we compile
// ourselves where there is no library (LLHTTP_STRICT_MODE, in the Makefile). In net/ it is the
// second opinion on every request, and a lenient one is no opinion.

#include <doctest/doctest.h>
#include <llhttp.h>

#include <string>

TEST_CASE("llhttp: the one that is linked is strict") {
    const std::string start = "POST / HTTP/1.1\r\nHost: x\r\n";
    for (const std::string& input : {
             std::string("POST / HTTP/1.1\r\nHost : x\r\n\r\n"),
             std::string("POST / HTTP/1.1\r\nHo st: x\r\n\r\n"),
             std::string("POST /\x80 HTTP/1.1\r\nHost: x\r\n\r\n"),
             start + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
             start + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
             start + "Transfer-Encoding: chunked, gzip\r\n\r\n",
             start + "A: b\x01\r\n\r\n",
             start + "Transfer-Encoding: chunked\r\n\r\n1 \r\n",
             start + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
         }) {
        CAPTURE(input);
        llhttp_settings_t settings;
        llhttp_settings_init(&settings);
        llhttp_t parser;
        llhttp_init(&parser, HTTP_REQUEST, &settings);
        CHECK(parser.lenient_flags == 0);
        CHECK(llhttp_execute(&parser, input.data(), input.size()) != HPE_OK);
    }
}
