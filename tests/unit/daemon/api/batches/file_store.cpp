#include "daemon/api/batches/file_store.h"

#include <doctest/doctest.h>

#include <ctime>
#include <filesystem>
#include <string>

#include "daemon/api/batches/record_id.h"
#include "daemon/log.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

struct Kept {
    TempDir dir;
    StateFolder folder{dir.path()};
    EventLoop loop;
    DiskQueue disk{loop};

    std::string file(std::string_view content, int64_t expires_at = 0, bool record = true) {
        const FileRecord file{make_record_id(kFilePrefix), "a",       "batch", content.size(),
                              std::time(nullptr),          expires_at};
        dir.write("files/" + file.id + ".data", content);
        if (record) dir.write("files/" + file.id + ".json", render_file(file));
        return file.id;
    }
    void settle() {
        disk.run([] {}, [this](const std::string&) { loop.stop(); });
        loop.run();
    }
    bool on_disk(const std::string& id) const {
        return std::filesystem::exists(folder.file_data(id));
    }
};

}  // namespace

TEST_CASE("file_store: finds what is there, and removes what is half there") {
    Kept kept;
    log_set_level(LogLevel::error);
    const std::string whole = kept.file("12345"), half = kept.file("1", 0, false),
                      output = kept.file("123", 0, false), over = kept.file("1", 1);
    kept.dir.write("files/" + make_record_id(kFilePrefix) + ".json", "{}");
    FileStore files(kept.folder, kept.disk, 100, {output});
    log_set_level(LogLevel::info);
    REQUIRE(files.find(whole));
    CHECK(files.find(whole)->bytes == 5);
    CHECK(!files.find(half));
    CHECK(!files.find(output));
    CHECK(!files.find(over));
    CHECK(!kept.on_disk(half));
    CHECK(kept.on_disk(output));
    CHECK(files.n_bytes() == 9);
    CHECK(!files.refusal(91));
    CHECK(files.refusal(92)->code == "storage_full");
    files.expire();
    kept.settle();
    CHECK(!kept.on_disk(over));
    CHECK(files.n_bytes() == 8);
    CHECK(files.page({}, "batch").records.size() == 1);
    CHECK(files.page({}, "other").records.empty());
}

TEST_CASE("file_store: what somebody works with is kept") {
    Kept kept;
    const std::string id = kept.file("1", std::time(nullptr) - 1);
    FileStore files(kept.folder, kept.disk, 100, {});
    files.pin(id);
    files.pin(id);
    CHECK(files.find(id));
    files.expire();
    CHECK(!files.erase(id));
    files.unpin(id);
    CHECK(!files.erase(id));
    files.unpin(id);
    CHECK(files.erase(id));
    kept.settle();
    CHECK(!kept.on_disk(id));
    CHECK(!std::filesystem::exists(kept.folder.file_record(id)));
}

TEST_CASE("file_store: a content becomes a file once its record is on the disk") {
    Kept kept;
    const std::string id = kept.file("123", 0, false);
    FileStore files(kept.folder, kept.disk, 100, {id});
    files.publish({id, "out.jsonl", "batch_output", 3, 5, 0}, [&](const std::string& error) {
        CHECK(error == "");
        CHECK(files.find(id));
    });
    CHECK(!files.find(id));
    kept.settle();
    FileStore again(kept.folder, kept.disk, 100, {});
    REQUIRE(again.find(id));
    CHECK(again.find(id)->filename == "out.jsonl");
}
