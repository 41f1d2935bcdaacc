#include "model/grammar/formats.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "model/grammar/regex_syntax.h"

namespace qwend::grammar {

namespace {

/// RFC 3339, full-date, with as many days as the month has. There is no year 0000, because most
/// libraries know none.
std::string date() {
    const std::string year = R"((?:\d{3}[1-9]|\d{2}[1-9]0|\d[1-9]00|[1-9]000))";
    const std::string fours = "(?:0[48]|[2468][048]|[13579][26])";
    const std::string leap_year = fmt::format(R"((?:\d\d{0}|{0}00))", fours);
    const std::string day = R"((?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|)"
                            R"((?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8])))";
    return fmt::format("(?:{}-{}|{}-02-29)", year, day, leap_year);
}

/// RFC 3339, full-time, without leap seconds, which only some of its minutes have; nanoseconds are
/// the least.
std::string time() {
    return R"((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d))";
}

/// RFC 3339, appendix A, with numbers of at most nine digits.
std::string duration() {
    const std::string n = R"(\d{1,9})";
    const std::string day = n + "D", second = n + "S";
    const std::string month = fmt::format("{}M(?:{})?", n, day);
    const std::string minute = fmt::format("{}M(?:{})?", n, second);
    const std::string hours = fmt::format("T(?:{}H(?:{})?|{}|{})", n, minute, minute, second);
    const std::string days = fmt::format("(?:{}Y(?:{})?|{}|{})", n, month, month, day);
    return fmt::format("P(?:{}(?:{})?|{}|{}W)", days, hours, hours, n);
}

/// RFC 1123, without the labels that are reserved for other alphabets (RFC 5890, 2.3.1): those with
/// hyphens at the third and the fourth place. `most` is at least 5.
std::string label(size_t most) {
    const std::string c = "[A-Za-z0-9-]", end = "[A-Za-z0-9]";
    return fmt::format("{1}(?:{0}{{0,2}}{1}|{0}(?:{1}{0}|-{1}){0}{{0,{2}}}{1})?", c, end, most - 5);
}

/// The whole may have 253 characters: either three labels of any length, or ten that are shorter.
std::string hostname() {
    return fmt::format(R"({0}(?:\.{0}){{0,2}}|{1}(?:\.{1}){{0,9}})", label(63), label(24));
}

/// RFC 5321, Mailbox, of a dot-string and a domain of at least two labels, the last of which begins
/// with a letter.
std::string email() {
    const std::string atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
    return fmt::format(R"({0}(?:\.{0})*@(?:{1}\.)+[A-Za-z](?:[A-Za-z0-9]{{0,61}}[A-Za-z0-9])?)",
                       atom, label(63));
}

std::string ipv4() {
    const std::string octet = R"((?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d))";
    return fmt::format(R"({0}(?:\.{0}){{3}})", octet);
}

/// RFC 3986, IPv6address, whose text it follows: that of RFC 4291, 2.2.
std::string ipv6() {
    const std::string h = "[0-9A-Fa-f]{1,4}", last = fmt::format("(?:{0}:{0}|{1})", h, ipv4());
    std::string out = fmt::format("(?:{}:){{6}}{}", h, last);
    // What is before the :: has at most `before` groups, what follows it 7 - before.
    for (size_t before = 0; before <= 5; before++) {
        const std::string some =
            before == 0 ? "" : fmt::format("(?:(?:{0}:){{0,{1}}}{0})?", h, before - 1);
        out += fmt::format("|{}::(?:{}:){{{}}}{}", some, h, 5 - before, last);
    }
    out += fmt::format("|(?:(?:{0}:){{0,5}}{0})?::{0}", h);
    return out + fmt::format("|(?:(?:{0}:){{0,6}}{0})?::", h);
}

/// RFC 3986, URI and URI-reference, without IPvFuture; or RFC 3987's, if `letters` and `privates`
/// are its ucschar and iprivate as parts of a class.
std::string uri(bool may_be_relative, std::string_view letters = "",
                std::string_view privates = "") {
    const std::string plain = fmt::format(R"(A-Za-z0-9\-._~!$&'()*+,;={})", letters);
    auto characters = [&](std::string_view more) {
        return fmt::format("(?:[{}{}]|%[0-9A-Fa-f]{{2}})", plain, more);
    };
    const std::string segments = fmt::format("(?:/{}*)*", characters(":@"));
    const std::string authority = fmt::format(R"(//(?:{}*@)?(?:\[(?:{})\]|{}*)(?::\d{{0,5}})?)",
                                              characters(":"), ipv6(), characters(""));
    const std::string rooted = fmt::format("/(?:{}+{})?", characters(":@"), segments);
    const std::string after = fmt::format(
        R"((?:\?{}*)?(?:#{}*)?)", characters(fmt::format(":@/?{}", privates)), characters(":@/?"));
    const std::string absolute =
        fmt::format(R"([A-Za-z][A-Za-z0-9+.\-]*:(?:{0}{1}|{2}|{3}+{1})?{4})", authority, segments,
                    rooted, characters(":@"), after);
    if (!may_be_relative) return absolute;
    return fmt::format("{0}|(?:{1}{2}|{3}|{4}+{2})?{5}", absolute, authority, segments, rooted,
                       characters("@"), after);
}

std::string iri(bool may_be_relative) {
    std::string letters = R"(\u{A0}-\u{D7FF}\u{F900}-\u{FDCF}\u{FDF0}-\u{FFEF})";
    for (uint32_t plane = 1; plane <= 14; plane++)
        letters += fmt::format(R"(\u{{{:X}}}-\u{{{:X}}})", plane == 14 ? 0xE1000 : plane * 0x10000,
                               plane * 0x10000 + 0xFFFD);
    return uri(may_be_relative, letters,
               R"(\u{E000}-\u{F8FF}\u{F0000}-\u{FFFFD}\u{100000}-\u{10FFFD})");
}

/// RFC 6901.
constexpr std::string_view kJsonPointer = "(?:/(?:[^~/]|~[01])*)*";

/// RFC 6570, of whose variables these have names alone.
constexpr std::string_view kUriTemplate =
    R"((?:[A-Za-z0-9\-._~:/?#\[\]@!$&()*+,;=]|%[0-9A-Fa-f]{2})"
    R"(|\{[+#./;?&]?[A-Za-z0-9_]+(?:,[A-Za-z0-9_]+)*\})*)";

/// Of ECMA-262's expressions those without groups and alternatives, since these nest.
constexpr std::string_view kRegex =
    R"(\^?(?:(?:[^\\()\[\]{}*+?|^$]|\\[dDwWsSnrt\\()\[\]{}*+?|^$./])"
    R"(|\[\^?(?:[^\\\]\[^\-]|\\[dDwWsSnrt\\\]\[^\-])+\])[*+?]?)*\$?)";

struct Format {
    std::string_view name;
    Syntax syntax;
};

std::vector<Format> make_formats() {
    std::vector<Format> formats;
    auto add = [&](std::string_view name, std::string_view pattern) {
        formats.push_back({name, parse_regex(pattern)});
    };
    add("date-time", date() + "T" + time());
    add("date", date());
    add("time", time());
    add("duration", duration());
    // Of names and addresses in other scripts those in ASCII.
    for (const char* name : {"email", "idn-email"}) add(name, email());
    for (const char* name : {"hostname", "idn-hostname"}) add(name, hostname());
    add("ipv4", ipv4());
    add("ipv6", ipv6());
    add("uri", uri(false));
    add("uri-reference", uri(true));
    add("iri", iri(false));
    add("iri-reference", iri(true));
    add("uuid", "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}");
    add("uri-template", kUriTemplate);
    add("regex", kRegex);
    add("json-pointer", kJsonPointer);
    add("relative-json-pointer", fmt::format(R"((?:0|[1-9]\d{{0,8}})(?:#|{}))", kJsonPointer));
    return formats;
}

const std::vector<Format>& all_formats() {
    static const std::vector<Format> formats = make_formats();
    return formats;
}

}  // namespace

const Syntax* format_syntax(std::string_view format) {
    for (const Format& known : all_formats())
        if (known.name == format) return &known.syntax;
    return nullptr;
}

std::vector<std::string_view> format_names() {
    std::vector<std::string_view> names;
    for (const Format& known : all_formats()) names.push_back(known.name);
    return names;
}

}  // namespace qwend::grammar
