#include "daemon/api/exposition.h"

#include <fmt/format.h>

#include <iterator>

namespace qwend {

std::string escape_label(std::string_view value) {
    std::string out;
    for (char c : value) {
        if (c == '\\' || c == '"') out += '\\';
        if (c == '\n')
            out += "\\n";
        else
            out += c;
    }
    return out;
}

Exposition::Exposition(std::span<const ModelMetrics> models) : models_(models) {
    for (const ModelMetrics& model : models) names_.push_back(escape_label(model.name));
}

void Exposition::family(std::string_view name, std::string_view type, std::string_view help) {
    fmt::format_to(std::back_inserter(out_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name,
                   type);
}

void Exposition::sample(std::string_view name, std::string_view labels, double value,
                        size_t model) {
    fmt::format_to(std::back_inserter(out_), "{}{{model_name=\"{}\"{}{}}} {}\n", name,
                   names_[model], labels.empty() ? "" : ",", labels, value);
}

void Exposition::plain(std::string_view name, std::string_view type, std::string_view help,
                       double value) {
    family(name, type, help);
    fmt::format_to(std::back_inserter(out_), "{} {}\n", name, value);
}

void Exposition::gauge(std::string_view name, std::string_view help, Gauge EngineMetrics::*gauge) {
    family(name, "gauge", help);
    for (size_t i = 0; i < models_.size(); i++)
        sample(name, "", (models_[i].metrics.*gauge).value(), i);
}

void Exposition::counter(std::string_view name, std::string_view help,
                         Counter EngineMetrics::*counter) {
    family(name, "counter", help);
    for (size_t i = 0; i < models_.size(); i++)
        sample(name, "", double((models_[i].metrics.*counter).value()), i);
}

void Exposition::histogram(std::string_view name, std::string_view help,
                           Histogram EngineMetrics::*histogram) {
    family(name, "histogram", help);
    for (size_t i = 0; i < models_.size(); i++) buckets(name, models_[i].metrics.*histogram, i);
}

void Exposition::buckets(std::string_view name, const Histogram& histogram, size_t model) {
    const auto counts = histogram.bucket_counts();
    uint64_t cumulative = 0;
    for (size_t i = 0; i < counts.size(); i++) {
        cumulative += counts[i];
        const std::string bound =
            i < histogram.bounds().size() ? fmt::format("{}", histogram.bounds()[i]) : "+Inf";
        sample(fmt::format("{}_bucket", name), fmt::format("le=\"{}\"", bound), double(cumulative),
               model);
    }
    sample(fmt::format("{}_sum", name), "", histogram.sum(), model);
    sample(fmt::format("{}_count", name), "", double(cumulative), model);
}

}  // namespace qwend
