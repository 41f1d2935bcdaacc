#include "daemon/api/batches/batch_record.h"

#include <doctest/doctest.h>

#include <string>

using namespace qwend;

TEST_CASE("batch_record: what is kept reads back the same") {
    BatchRecord batch;
    batch.id = "batch_1";
    batch.endpoint = "/v1/completions";
    batch.input_file_id = "file-1";
    batch.completion_window = "24h";
    batch.metadata = R"({"a":"b \"c\""})";
    batch.created_at = 5;
    batch.expires_at = 9;
    batch.cancelling_at = 7;
    batch.total = 10, batch.completed = 3, batch.failed = 2;
    batch.errors = {{"empty_file", "none", "", 0}, {"invalid_url", "bad", "url", 7}};
    batch.output_journal = "file-2";
    batch.error_journal = "file-3";
    batch.output_lifetime = 3600;
    for (int i = 0; i < kBatchStatuses; i++) {
        batch.status = BatchStatus(i);
        const std::string kept = render_batch_record(batch);
        const auto read = read_batch_record(kept);
        REQUIRE(read);
        CHECK(read->status == batch.status);
        CHECK(render_batch_record(*read) == kept);
    }
    const std::string shown = render_batch(batch);
    CHECK(shown.find("journal") == std::string::npos);
    CHECK(shown.find(R"("output_file_id":null)") != std::string::npos);
    CHECK(shown.find(R"("completed_at":null)") != std::string::npos);
    CHECK(shown.find(R"({"code":"invalid_url","line":7,"message":"bad","param":"url"})") !=
          std::string::npos);
}

TEST_CASE("batch_record: anything else is none") {
    for (const char* text : {"", "[]", "{}", R"({"id":"a"})", R"({"id":"a","status":"x"})",
                             R"({"status":"failed"})", R"({"id":"a","status":"failed")"})
        CHECK(!read_batch_record(text));
}

TEST_CASE("batch_record: which ones have ended") {
    std::string ended;
    for (int i = 0; i < kBatchStatuses; i++) {
        BatchRecord batch;
        batch.status = BatchStatus(i);
        if (batch.has_ended()) ended += std::string(batch_status_name(batch.status)) + " ";
    }
    CHECK(ended == "completed failed expired cancelled ");
}
