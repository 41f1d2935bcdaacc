#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "daemon/api/batches/batch_store.h"
#include "daemon/api/batches/batches.h"
#include "daemon/api/batches/file_store.h"
#include "daemon/api/route.h"
#include "daemon/api/schema.h"

namespace qwend {

/// What the routes of batches work with.
struct BatchService {
    FileStore& files;
    BatchStore& store;
    Batches& batches;
};

/// `off`: why they are not offered, if there is no service.
std::vector<Route> batch_routes(const std::shared_ptr<BatchService>& service, std::string_view off);
std::vector<NamedSchema> batch_schemas();

}  // namespace qwend
