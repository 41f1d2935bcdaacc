#pragma once

#include <uv.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/load/alarm.h"
#include "tests/bench/load/client.h"
#include "tests/bench/load/conversation.h"
#include "tests/bench/load/options.h"
#include "tests/bench/load/statistics.h"

namespace qwend::load {

/// One run over a server: hands the turns of conversations to clients and collects what they show.
class LoadRun {
  public:
    /// With `arrivals`, conversation i begins at the i-th of them, whatever the others do; without,
    /// `max_concurrency` of them are under way at once. A turn begins when the answer before it is
    /// over; if it fails, so does its conversation.
    LoadRun(const LoadOptions& options, Server& server, ClientPool& clients,
            std::vector<Conversation> conversations, std::vector<double> arrivals = {});
    ~LoadRun();
    LoadRun(const LoadRun&) = delete;
    LoadRun& operator=(const LoadRun&) = delete;

    /// Returns when all is over, or at the time limit.
    RunResult run();

  private:
    bool is_open_loop() const { return !arrivals_.empty(); }
    void begin_due();
    void begin(double due);
    void send(size_t conversation, double due);
    void on_done(size_t conversation, Outcome outcome, const std::string& answer);

    const LoadOptions& options_;
    Server& server_;
    ClientPool& clients_;
    std::vector<Conversation> conversations_;
    std::vector<double> arrivals_;
    Alarm alarm_;
    uv_timer_t* limit_;
    size_t n_begun_ = 0, n_over_ = 0;
    int n_requests_left_ = 0;
    RunResult result_;
    bool is_over_ = false;
};

/// Looks up the server, warms it up and measures. Nothing, and a message, if it cannot begin.
std::optional<RunResult> measure(const LoadOptions& options);

}  // namespace qwend::load
