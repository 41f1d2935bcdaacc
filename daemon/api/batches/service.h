#pragma once

#include <memory>
#include <vector>

#include "daemon/api/batches/batch_routes.h"
#include "daemon/api/batches/batch_store.h"
#include "daemon/api/batches/batches.h"
#include "daemon/api/batches/disk_queue.h"
#include "daemon/api/batches/file_routes.h"
#include "daemon/api/batches/file_store.h"
#include "daemon/api/batches/state_folder.h"
#include "daemon/api/inner_requests.h"
#include "daemon/api/loop_metrics.h"
#include "daemon/api/route.h"
#include "daemon/options.h"
#include "net/loop.h"

namespace qwend {

/// What is kept in the state directory, wired. Loop thread.
class StateService {
  public:
    /// Reads what is there and goes on with it. The references outlive this. Throws LoadError.
    StateService(EventLoop& loop, const Options& options, const InnerRequests& requests,
                 BatchConditions conditions, LoopMetrics& metrics);

    int n_jobs() const { return disk_.n_jobs(); }  // that the disk is still to do
    void drain() { batches_.drain(); }

    std::vector<Route> routes() const;

  private:
    StateFolder folder_;
    DiskQueue disk_;
    BatchStore store_;
    FileStore files_;
    Batches batches_;
    std::shared_ptr<FileService> file_service_;
    std::shared_ptr<BatchService> batch_service_;
    std::shared_ptr<EventLoop::Timer> expiry_;
};

/// The routes of what is kept; of a service that is nullptr they say that they are not offered.
std::vector<Route> state_routes(const StateService* service);

}  // namespace qwend
