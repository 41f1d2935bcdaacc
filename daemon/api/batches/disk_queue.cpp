#include "daemon/api/batches/disk_queue.h"

#include <exception>
#include <utility>

namespace qwend {

void DiskQueue::run(std::function<void()> work, Done done) {
    jobs_.push_back({std::move(work), std::move(done), {}});
    if (jobs_.size() == 1) start_next();
}

void DiskQueue::start_next() {
    Job& job = jobs_.front();  // stays where it is: others are added behind it
    loop_.offload(
        [&job] {
            try {
                job.work();
            } catch (const std::exception& error) {
                job.error = error.what();
                if (job.error.empty()) job.error = "unknown";
            }
        },
        [this] {
            const Job done = std::move(jobs_.front());
            jobs_.pop_front();
            if (!jobs_.empty()) start_next();
            done.done(done.error);
        });
}

}  // namespace qwend
