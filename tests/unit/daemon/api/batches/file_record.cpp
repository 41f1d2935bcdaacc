#include "daemon/api/batches/file_record.h"

#include <doctest/doctest.h>

using namespace qwend;

TEST_CASE("file_record: what is kept reads back the same") {
    const FileRecord file{"file-1", "a \"b\".jsonl", "batch", 12, 1700000000, 1700003600};
    CHECK(read_file_record(render_file(file)) == file);
    FileRecord lasting = file;
    lasting.expires_at = 0;
    CHECK(read_file_record(render_file(lasting)) == lasting);
    CHECK(render_file(lasting).find(R"("expires_at":null)") != std::string::npos);
}

TEST_CASE("file_record: anything else is none") {
    for (const char* text : {"", "{", "[]", "{}", R"({"id":"a"})", R"({"id":"a","bytes":-1})",
                             R"({"id":5,"bytes":1})"})
        CHECK(!read_file_record(text));
}
