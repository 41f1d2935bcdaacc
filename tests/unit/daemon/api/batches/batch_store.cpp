#include "daemon/api/batches/batch_store.h"

#include <doctest/doctest.h>

#include <string>

#include "daemon/api/batches/record_id.h"
#include "daemon/log.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

TEST_CASE("batch_store: what is saved is there for the next process") {
    const TempDir dir;
    const StateFolder folder(dir.path());
    EventLoop loop;
    DiskQueue disk(loop);
    BatchStore store(folder, disk);
    BatchRecord batch;
    batch.id = make_record_id(kBatchPrefix);
    batch.output_journal = "file-o", batch.error_journal = "file-e";
    store.add(batch, [&](const std::string& error) {
        CHECK(error == "");
        BatchRecord& kept = *store.find(batch.id);
        kept.total = 7;
        store.save(kept);
        disk.run([] {}, [&](const std::string&) { loop.stop(); });
    });
    CHECK(!store.find(batch.id));
    loop.run();
    dir.write("batches/" + make_record_id(kBatchPrefix) + ".json", "{}");
    log_set_level(LogLevel::error);
    BatchStore again(folder, disk);
    log_set_level(LogLevel::info);
    CHECK(again.size() == 1);
    REQUIRE(again.find(batch.id));
    CHECK(again.find(batch.id)->total == 7);
    CHECK(again.journals() == std::set<std::string>{"file-o", "file-e"});
    again.find(batch.id)->status = BatchStatus::completed;
    CHECK(again.journals().empty());
    CHECK(again.page({}).records.size() == 1);
    CHECK(again.oldest([](const BatchRecord& b) { return b.has_ended(); })->id == batch.id);
}
