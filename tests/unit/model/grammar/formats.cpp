#include "model/grammar/formats.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "tests/unit/model/grammar/syntax_matcher.h"

using namespace qwend::grammar;

namespace {

struct Format {
    const char* name;
    std::vector<std::string> yes, no;
};

void check(const std::vector<Format>& formats) {
    for (const Format& format : formats) {
        const Syntax* syntax = format_syntax(format.name);
        REQUIRE_MESSAGE(syntax, format.name);
        for (const std::string& text : format.yes)
            CHECK_MESSAGE(SyntaxMatcher::matches(*syntax, text), format.name, ": ", text);
        for (const std::string& text : format.no)
            CHECK_MESSAGE(!SyntaxMatcher::matches(*syntax, text), format.name, ": ", text);
    }
}

}  // namespace

TEST_CASE("formats: dates and times") {
    check({{"date-time",
            {"2024-02-29T23:59:59Z", "1999-12-31T00:00:00.123456789+05:30"},
            {"2023-02-29T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:00:60Z",
             "2024-01-01T00:00:00", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00.Z",
             "2024-01-01T00:00:00+24:00", "2024-01-01T00:00:00+0530"}},
           {"time",
            {"08:15:00Z", "08:15:00.5-00:00"},
            {"08:15:00", "8:15:00Z", "08:60:00Z", "08:15Z", "08:15:00z"}},
           {"duration",
            {"P1Y", "P1Y2M3DT4H5M6S", "P3W", "PT36H", "P2M1D", "PT1M30S", "P1DT1S"},
            {"P", "PT", "P1Y2D", "PT1H2S", "P1W1D", "P1YT", "1Y", "P1.5D", "PT1D", "P-1D"}}});
}

TEST_CASE("formats: a date is one that the calendar has") {
    constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const Syntax& date = *format_syntax("date");
    for (int year : {0, 1, 4, 9, 10, 100, 400, 1000, 1896, 1900, 1999, 2000, 2023, 2024, 2096, 2100,
                     2400, 9999}) {
        const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (int month = 0; month <= 13; month++) {
            for (int day : {0, 1, 9, 10, 19, 20, 28, 29, 30, 31, 32}) {
                const bool is_month = year > 0 && month >= 1 && month <= 12;
                const int days = !is_month ? 0 : kDays[month - 1] + (leap && month == 2 ? 1 : 0);
                const std::string text = fmt::format("{:04}-{:02}-{:02}", year, month, day);
                CAPTURE(text);
                CHECK(SyntaxMatcher::matches(date, text) == (day >= 1 && day <= days));
            }
        }
    }
}

TEST_CASE("formats: hosts and addresses") {
    const std::string longest(63, 'a');
    check({{"hostname",
            {"a", "localhost", "a-b.c0", "1.2", longest, longest + "." + longest + "." + longest,
             "a1b2.c3.d4.e5.f6.g7.h8.i9.j0.k", "a--b.cc"},
            {"", "a.", ".a", "-a", "a-", "a_b", "xn--a-b", "ab--c", "é.fr", longest + "a",
             longest + "." + longest + "." + longest + "." + longest}},
           {"email",
            {"a@b.cd", "first.last+tag@mail.example.org", "o'neil@x-y.io"},
            {"a@b", "a@", "@b.cd", ".a@b.cd", "a.@b.cd", "a..b@c.de", "a b@c.de", "a@b@c.de",
             "a@-b.cd", "a@b.1d", "\"a\"@b.cd"}},
           {"ipv4",
            {"0.0.0.0", "127.0.0.1", "255.249.199.99"},
            {"1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.4 ", "1..2.3"}},
           {"ipv6",
            {"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::8",
             "1:2:3:4::8", "fe80::ABcd:1", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1::1.2.3.4"},
            {"", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
             "12345::", "g::", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3",
             "1:2:3:4:5:6:7:8::", "fe80::1%eth0", "::01.2.3.4", ":1:2:3:4:5:6:7"}},
           {"uuid",
            {"123e4567-e89b-12d3-a456-426614174000", "ABCDEF00-0000-0000-0000-000000000000"},
            {"123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400",
             "{123e4567-e89b-12d3-a456-426614174000}", "g23e4567-e89b-12d3-a456-426614174000"}}});
}

TEST_CASE("formats: references") {
    check({{"uri",
            {"http://a", "https://u:p@h.example:80/a/b;c?q=1&r=/?#f?", "urn:a:b", "mailto:a@b.c",
             "file:///etc/hosts", "http://[::1]:8080/", "a:", "a:/b", "x+y-1.0://%41/%e4"},
            {"", "a", "/a", "//a", "1a:b", "http://a b", "http://a/%4", "http://[::1",
             "http://[1]/", "http://a:b/", "http://é/", "http://a/[b]", "a:b#c#d", "http://a@b@c"}},
           {"uri-reference",
            {"", "a", "/a", "//a/b", "?q", "#f", "../a:b", "a/b:c", "http://a"},
            {"1:b", "/ ", "//[b", "\\", "%zz", "/a#b#c", "é"}},
           {"iri",
            {"http://é/ü?ß#ø", "http://a/?\uE000", "a:漢字", "a:😀"},
            {"é", "http://a/\uE000", "http://a b", "a:\u0080", "a:\uFFFE"}},
           {"iri-reference", {"é", "/漢字", "", "?\uE000"}, {"\uE000", "a b", "é:b"}},
           {"json-pointer",
            {"", "/", "/a/b", "/a~0b/~1", "/é \\\"/\n"},
            {"a", "/~", "/~2", "#/a", "/a~"}},
           {"relative-json-pointer",
            {"0", "1#", "20/a/~0b", "0/"},
            {"", "01", "-1", "/a", "1##", "0#/a", "1a", "0/~"}}});
}

TEST_CASE("formats: an unknown one is none") {
    for (const char* name : {"", "int32", "Date", "date ", "uuid4", "phone"})
        CHECK(format_syntax(name) == nullptr);
    CHECK(format_syntax("date") == format_syntax("date"));
}
