#include "daemon/api/vector_answer.h"

#include <fmt/format.h>

#include <cstddef>
#include <utility>

#include "daemon/api/http_answers.h"
#include "daemon/api/live_answers.h"
#include "net/clock.h"

namespace qwend {

namespace {

// Bytes that are kept until the status can be given; more are sent as they come.
constexpr size_t kKeptBytes = 1 << 20;
constexpr double kTurnSeconds = 1e-3;  // of rendering, in a turn of the loop
constexpr const char* kJson = "application/json";

/// Whoever waits for an answer's next token goes first.
constexpr int kBehindGeneration = 1;

/// Where each token has a vector, what waits to be read may be large: then one input at a time.
size_t window_of(const VectorTask& task, const BackendInfo& device) {
    return task.pooling == Pooling::each ? 1 : 2 * size_t(device.max_sequences);
}

}  // namespace

VectorAnswer::VectorAnswer(ExchangePtr exchange, VectorTask task)
    : exchange_(std::move(exchange)),
      task_(std::move(task)),
      size_(size_t(task_.model->engine.backend_info()->vector_size)),
      window_(window_of(task_, *task_.model->engine.backend_info())) {
    for (const VectorInput& input : task_.inputs) n_tokens_ += int64_t(input.tokens.size());
}

std::vector<GenerationRequest> VectorAnswer::next_sequences(SequenceId& next_id) {
    std::vector<GenerationRequest> sequences;
    const bool in_background = exchange_->in_background();
    const auto has_room = [&](size_t n) {
        return in_background ? has_background_room(engine(), n) : engine().has_room(n);
    };
    while (is_hungry() && n_unsaid() < window_ && !exchange_->congested() &&
           has_room(sequences.size() + 1)) {
        VectorInput& input = task_.inputs[next_input_];
        GenerationRequest& sequence = sequences.emplace_back();
        sequence.id = next_id++;
        sequence.prompt = std::move(input.tokens);
        sequence.pooling = PoolingRequest{task_.pooling, input.begin, task_.only_token};
        sequence.priority =
            task_.priority + kBehindGeneration + (in_background ? kBackgroundPriority : 0);
        sequence.yields = true;
        sequence.cache_salt = task_.cache_salt;
        inputs_of_[sequence.id] = next_input_++;
    }
    return sequences;
}

std::vector<SequenceId> VectorAnswer::in_flight() const {
    std::vector<SequenceId> ids;
    for (const auto& [id, _] : inputs_of_) ids.push_back(id);
    return ids;
}

bool VectorAnswer::on_event(const TokenEvent& event) {
    const auto found = inputs_of_.find(event.id);
    if (found == inputs_of_.end()) return !failed_;
    Output& output = outputs_[found->second];
    output.numbers.insert(output.numbers.end(), event.vectors.begin(), event.vectors.end());
    if (event.finish == FinishReason::none) return !failed_;
    output.has_ended = true;
    inputs_of_.erase(found);
    if (event.finish != FinishReason::error) return !failed_;
    failed_ = true;
    if (!event.error.empty())
        error_ = ApiError{500, "server_error", "", "", std::string(event.error)};
    return false;
}

/// A vector, an input's end, or a part of the answer's; false if nothing is there to be rendered.
bool VectorAnswer::render_one() {
    if (next_output_ == task_.inputs.size()) {
        if (finished_) return false;
        finished_ = !task_.renderer->finish(n_tokens_, out_);
        return true;
    }
    const auto next = outputs_.find(next_output_);
    if (next == outputs_.end()) return false;
    auto& [numbers, n_taken, has_ended] = next->second;
    if (n_taken < numbers.size()) {
        const auto begin = numbers.begin() + ptrdiff_t(n_taken);
        task_.renderer->add({begin, begin + ptrdiff_t(size_)}, out_);
        n_taken += size_;
        return true;
    }
    numbers.clear(), n_taken = 0;
    if (!has_ended) return false;
    task_.renderer->end_input(out_);
    outputs_.erase(next);
    ++next_output_;
    return true;
}

bool VectorAnswer::flush() {
    const double until = steady_seconds() + kTurnSeconds;
    bool has_more = false;
    while (!exchange_->congested() && (has_more = render_one()) && steady_seconds() < until) {
    }
    send();
    return has_more && !complete_;
}

void VectorAnswer::send() {
    complete_ = finished_;  // first: what ends the exchange may be asked about it
    if (finished_ && !exchange_->started())
        return exchange_->respond({200, {{"Content-Type", kJson}}, std::move(out_)});
    if (finished_ || out_.size() > kKeptBytes) {
        if (!exchange_->started()) exchange_->start_stream(200, {{"Content-Type", kJson}});
        exchange_->write(std::exchange(out_, {}));
    }
    if (finished_) exchange_->finish();
}

void VectorAnswer::fail(const ApiError& error) {
    failed_ = true;
    if (!exchange_->started()) return respond_error(*exchange_, error);
    exchange_->abort();
}

std::string VectorAnswer::summary() const {
    return fmt::format(" inputs={} prompt_tokens={} finish={}", task_.inputs.size(), n_tokens_,
                       complete_ ? "stop"
                       : failed_ ? "error"
                                 : "abort");
}

}  // namespace qwend
