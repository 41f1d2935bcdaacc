// Messages, whole and spoilt.

#include "model/text/protobuf_reader.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "model/error.h"
#include "tests/unit/protobuf_writer.h"

using namespace qwend;

namespace {

const std::string kSource = "test";

std::vector<ProtobufReader::Field> fields_of(std::string_view message) {
    ProtobufReader reader(message, kSource);
    std::vector<ProtobufReader::Field> fields;
    while (const auto field = reader.next()) fields.push_back(*field);
    return fields;
}

}  // namespace

TEST_CASE("protobuf_reader: fields of every kind, as they stand") {
    const std::string message = ProtobufWriter()
                                    .varint(1, UINT64_MAX)
                                    .bytes(200, std::string_view("a\0b", 3))
                                    .fixed32(3, 0x01020304)
                                    .fixed64((1u << 29) - 1, 0x0102030405060708)
                                    .bytes(5, "")
                                    .message;
    const auto fields = fields_of(message);
    REQUIRE(fields.size() == 5);
    CHECK((fields[0].number == 1 && fields[0].is_varint() && fields[0].bits == UINT64_MAX));
    CHECK((fields[1].number == 200 && fields[1].is_bytes()));
    CHECK(fields[1].bytes == std::string_view("a\0b", 3));
    CHECK((fields[2].number == 3 && fields[2].is_fixed32() && fields[2].bits == 0x01020304));
    CHECK((fields[3].number == (1u << 29) - 1 && fields[3].bits == 0x0102030405060708));
    CHECK((fields[4].is_bytes() && fields[4].bytes.empty()));
    CHECK(fields_of("").empty());
}

TEST_CASE("protobuf_reader: a message that is cut ends between two fields or is refused") {
    const std::string message =
        ProtobufWriter().varint(1, 300).bytes(2, "abc").fixed32(3, 7).fixed64(4, 7).message;
    size_t n_whole = 0;
    for (size_t size = 0; size <= message.size(); size++) try {
            fields_of(std::string_view(message).substr(0, size));
            n_whole++;
        } catch (const LoadError& error) {
            CHECK(std::string_view(error.what()).find("behind the end") != std::string_view::npos);
        }
    CHECK(n_whole == 5);
}

TEST_CASE("protobuf_reader: what is no message is refused by name and place") {
    struct Case {
        std::string message;
        const char* expected;
    };
    const std::string endless(10, '\xFF');
    for (const Case& c :
         {Case{std::string(1, '\0'), "without a number"}, Case{"\x0B", "of no kind"},
          Case{"\x0C", "of no kind"}, Case{"\x0E", "of no kind"}, Case{"\x0F", "of no kind"},
          Case{std::string("\x08").append(endless), "more than 64 bits"},
          Case{endless, "more than 64 bits"}, Case{"\xF8\xFF\xFF\xFF\xFF\x01", "without a number"},
          Case{std::string("\x0A").append(9, '\xFF').append("\x01"), "behind the end"},
          Case{"\x0A\x02"
               "a",
               "behind the end"}}) {
        CAPTURE(c.expected);
        CHECK_THROWS_WITH_AS(fields_of(c.message), doctest::Contains(c.expected), LoadError);
        CHECK_THROWS_WITH_AS(fields_of(c.message),
                             doctest::Contains("test: expected a protobuf message"), LoadError);
    }
}
