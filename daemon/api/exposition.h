#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/engine/metrics.h"

namespace qwend {

/// The metrics of a model's engine, by the name it is served under.
struct ModelMetrics {
    std::string_view name;
    const EngineMetrics& metrics;
};

/// Writes Prometheus' text format 0.0.4: families, each once, with a sample for every model. What
/// is no model's own has the name of the first, as it always had.
class Exposition {
  public:
    /// At least one model.
    explicit Exposition(std::span<const ModelMetrics> models);

    void family(std::string_view name, std::string_view type, std::string_view help);
    /// `labels` as they are written, after the model's name.
    void sample(std::string_view name, std::string_view labels, double value, size_t model = 0);
    /// A family of one sample, without labels.
    void plain(std::string_view name, std::string_view type, std::string_view help, double value);

    void gauge(std::string_view name, std::string_view help, Gauge EngineMetrics::*gauge);
    void counter(std::string_view name, std::string_view help, Counter EngineMetrics::*counter);
    void histogram(std::string_view name, std::string_view help,
                   Histogram EngineMetrics::*histogram);

    std::span<const ModelMetrics> models() const { return models_; }
    std::string take() { return std::move(out_); }

  private:
    void buckets(std::string_view name, const Histogram& histogram, size_t model);

    std::span<const ModelMetrics> models_;
    std::vector<std::string> names_;  // of the models, escaped
    std::string out_;
};

/// A value as it stands between the quotes of a label.
std::string escape_label(std::string_view value);

}  // namespace qwend
