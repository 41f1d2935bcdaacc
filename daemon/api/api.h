#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/api/loop_metrics.h"
#include "daemon/api/model_registry.h"
#include "daemon/options.h"
#include "net/http.h"
#include "net/loop.h"

namespace qwend {

/// The routes: requests become sequences of the engine, its events become answers. Everything runs
/// on the loop thread, but for the reading of large bodies.
class Api {
  public:
    /// `api_keys` empty: no authentication. All references outlive the Api.
    Api(EventLoop& loop, const ModelRegistry& models, LoopMetrics& metrics, const Options& options,
        std::vector<std::string> api_keys);
    ~Api();

    HttpHandler handler();
    /// Delivers what the engine did; to be called when it wakes the loop.
    void on_engine_events();

    void set_api_keys(std::vector<std::string> keys);

    void start_draining();    // new requests get 503 + Retry-After
    int n_in_flight() const;  // answers not complete
    void abort_all();         // ends each with an error event or a 503

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace qwend
