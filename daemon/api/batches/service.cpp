#include "daemon/api/batches/service.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace qwend {

namespace {

constexpr double kExpiryTick = 60;        // s; how exactly a file's end is kept on the disk
constexpr size_t kAroundBody = 64 << 10;  // bytes of an input's line besides the request's body
constexpr std::string_view kOff =
    "files and batches are not offered here: the server's operator has not set state-directory";

std::vector<Route> all_routes(const std::shared_ptr<FileService>& files,
                              const std::shared_ptr<BatchService>& batches, std::string_view off) {
    std::vector<Route> routes = file_routes(files, off);
    std::ranges::move(batch_routes(batches, off), std::back_inserter(routes));
    return routes;
}

}  // namespace

StateService::StateService(EventLoop& loop, const Options& options, const InnerRequests& requests,
                           BatchConditions conditions, LoopMetrics& metrics)
    : folder_(state_root(options.state_directory)),
      disk_(loop),
      store_(folder_, disk_),
      files_(folder_, disk_, options.max_state, store_.journals()),
      batches_(loop,
               BatchContext{folder_,
                            disk_,
                            files_,
                            store_,
                            requests,
                            metrics,
                            options.max_body + kAroundBody,
                            {},
                            {},
                            {},
                            {}},
               conditions),
      file_service_(std::make_shared<FileService>(FileService{options, folder_, disk_, files_})),
      batch_service_(std::make_shared<BatchService>(BatchService{files_, store_, batches_})),
      expiry_(loop.add_timer(kExpiryTick, true, [this] { files_.expire(); })) {}

std::vector<Route> StateService::routes() const {
    return all_routes(file_service_, batch_service_, "");
}

std::vector<Route> state_routes(const StateService* service) {
    return service ? service->routes() : all_routes(nullptr, nullptr, kOff);
}

}  // namespace qwend
