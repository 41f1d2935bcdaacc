#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/api/api_error.h"
#include "daemon/api/vector_task.h"
#include "net/http.h"

namespace qwend {

/// A request for vectors being answered: its inputs become sequences of the engine, some at a time,
/// and their vectors bytes of its exchange, in the order of the inputs. Loop thread.
class VectorAnswer {
  public:
    VectorAnswer(ExchangePtr exchange, VectorTask task);

    const ExchangePtr& exchange() const { return exchange_; }
    Engine& engine() { return task_.model->engine; }
    const Model& model() const { return *task_.model; }

    /// The next inputs, as sequences whose ids are `next_id` and those after it, which it moves
    /// on: no more than the engine has room for, and than may be under way at once.
    std::vector<GenerationRequest> next_sequences(SequenceId& next_id);
    /// The ids of those that are under way.
    std::vector<SequenceId> in_flight() const;
    bool is_hungry() const { return next_input_ < task_.inputs.size(); }

    /// Takes one event in; false if the request has failed by it, with an error() where the engine
    /// said why.
    bool on_event(const TokenEvent& event);
    const std::optional<ApiError>& error() const { return error_; }

    /// Renders and sends what is there, for no longer than a part of a turn of the loop: true if
    /// there is more to do right away.
    bool flush();
    bool is_complete() const { return complete_; }
    /// Ends with an error: its own status if nothing was sent, else a broken body.
    void fail(const ApiError& error);
    /// For the log; " key=value" each.
    std::string summary() const;

  private:
    /// What came of an input and is not rendered yet.
    struct Output {
        std::vector<float> numbers;
        size_t n_taken = 0;  // of them
        bool has_ended = false;
    };

    size_t n_unsaid() const { return next_input_ - next_output_; }
    bool render_one();
    void send();

    ExchangePtr exchange_;
    VectorTask task_;
    const size_t size_;    // numbers of a vector
    const size_t window_;  // inputs that may be under way, or wait for those before them
    size_t next_input_ = 0, next_output_ = 0;
    std::unordered_map<SequenceId, size_t> inputs_of_;  // under way
    std::map<size_t, Output> outputs_;                  // by input
    int64_t n_tokens_ = 0;
    std::string out_;
    bool failed_ = false, finished_ = false, complete_ = false;
    std::optional<ApiError> error_;
};

}  // namespace qwend
