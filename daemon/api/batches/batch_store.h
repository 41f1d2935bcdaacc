#pragma once

#include <set>
#include <string>
#include <string_view>

#include "daemon/api/batches/batch_record.h"
#include "daemon/api/batches/disk_queue.h"
#include "daemon/api/batches/record_map.h"
#include "daemon/api/batches/state_folder.h"

namespace qwend {

/// The batches there are, in memory and on the disk. Loop thread.
class BatchStore {
  public:
    /// Reads what there is: to be made before the loop runs. Throws LoadError.
    BatchStore(const StateFolder& folder, DiskQueue& disk);

    /// The files that batches which have not ended write to.
    std::set<std::string> journals();

    BatchRecord* find(std::string_view id) { return batches_.find(id); }
    RecordMap<BatchRecord>::Page page(const PageQuery& query) const {
        return batches_.page(query, [](const BatchRecord&) { return true; });
    }
    /// The oldest batch for which `wanted` holds; nullptr: there is none.
    template <class Wanted>
    BatchRecord* oldest(const Wanted& wanted) {
        for (auto& [_, batch] : batches_)
            if (wanted(batch)) return &batch;
        return nullptr;
    }
    size_t size() const { return batches_.size(); }

    /// Takes a new one in; of the oldest that have ended, what is beyond kMaxBatches goes. `done`
    /// is called once it is on the disk.
    void add(BatchRecord batch, DiskQueue::Done done);
    /// Has the disk follow.
    void save(const BatchRecord& batch);

    static constexpr size_t kMaxBatches = 10'000;

  private:
    void forget_oldest();

    const StateFolder& folder_;
    DiskQueue& disk_;
    RecordMap<BatchRecord> batches_;
};

}  // namespace qwend
