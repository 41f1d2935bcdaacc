#include "daemon/api/batches/batch_store.h"

#include <fmt/format.h>

#include <exception>
#include <filesystem>
#include <utility>

#include "daemon/api/batches/disk_file.h"
#include "daemon/log.h"
#include "model/error.h"

namespace qwend {

BatchStore::BatchStore(const StateFolder& folder, DiskQueue& disk) : folder_(folder), disk_(disk) {
    try {
        for (const std::string& id : folder_.batches()) {
            const DiskFile file = DiskFile::open(folder_.batch_record(id));
            auto batch = read_batch_record(file.read(0, file.size()));
            if (batch && batch->id == id)
                batches_.add(std::move(*batch));
            else
                log_warning("state-directory: {} is no batch's record; it is left out",
                            folder_.batch_record(id).string());
        }
    } catch (const std::exception& error) {
        throw LoadError(fmt::format("state-directory: {}", error.what()));
    }
}

std::set<std::string> BatchStore::journals() {
    std::set<std::string> ids;
    for (const auto& [_, batch] : batches_)
        if (!batch.has_ended()) ids.insert({batch.output_journal, batch.error_journal});
    return ids;
}

void BatchStore::add(BatchRecord batch, DiskQueue::Done done) {
    if (batches_.size() >= kMaxBatches) forget_oldest();
    disk_.run([path = folder_.batch_record(batch.id),
               text = render_batch_record(batch)] { replace_file(path, text); },
              [this, batch, done = std::move(done)](const std::string& error) {
                  if (error.empty()) batches_.add(batch);
                  done(error);
              });
}

void BatchStore::save(const BatchRecord& batch) {
    disk_.run([path = folder_.batch_record(batch.id),
               text = render_batch_record(batch)] { replace_file(path, text); },
              [id = batch.id](const std::string& error) {
                  if (!error.empty()) log_error("{} could not be saved: {}", id, error);
              });
}

void BatchStore::forget_oldest() {
    const BatchRecord* const batch = oldest([](const BatchRecord& b) { return b.has_ended(); });
    if (!batch) return;
    disk_.run([path = folder_.batch_record(batch->id)] { std::filesystem::remove(path); },
              [](const std::string&) {});
    batches_.erase(batch->id);
}

}  // namespace qwend
