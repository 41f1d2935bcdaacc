#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "daemon/api/batches/disk_queue.h"
#include "daemon/api/batches/file_store.h"
#include "daemon/api/batches/state_folder.h"
#include "daemon/api/route.h"
#include "daemon/api/schema.h"
#include "daemon/options.h"

namespace qwend {

/// What the routes of files work with.
struct FileService {
    const Options& options;
    const StateFolder& folder;
    DiskQueue& disk;
    FileStore& files;
    size_t n_uploading = 0;  // bytes of forms that are in memory
};

/// `off`: why they are not offered, if there is no service.
std::vector<Route> file_routes(const std::shared_ptr<FileService>& service, std::string_view off);
std::vector<NamedSchema> file_schemas();

}  // namespace qwend
