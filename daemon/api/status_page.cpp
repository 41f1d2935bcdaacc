#include "daemon/api/status_page.h"

#include <fmt/format.h>

#include "daemon/version.h"

namespace qwend {

namespace {

std::string escape_html(std::string_view text) {
    std::string out;
    for (char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

std::string duration(double seconds) {
    const auto s = int64_t(seconds);
    if (s < 60) return fmt::format("{} s", s);
    if (s < 3600) return fmt::format("{} min", s / 60);
    if (s < 86400) return fmt::format("{} h {} min", s / 3600, s / 60 % 60);
    return fmt::format("{} d {} h", s / 86400, s / 3600 % 24);
}

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>qwend</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --good: #1a9c5b; --bad: #c9372c; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 46rem; margin: 4rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.7rem; letter-spacing: -.02em; margin: 0 0 .2rem; }
h1 span { font-size: .85rem; font-weight: 600; color: #fff; background: var(--bad); border-radius: 1rem;
  padding: .15rem .7rem; vertical-align: .28em; margin-left: .6rem; letter-spacing: 0; }
h1 span.ready { background: var(--good); }
p { opacity: .75; margin: 0 0 1.6rem; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 1px;
  background: var(--line); border: 1px solid var(--line); border-radius: .6rem; overflow: hidden; }
dl div { background: Canvas; padding: .7rem 1rem; }
dt { font-size: .78rem; opacity: .65; } dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem;
  overflow-x: auto; font: .85rem/1.5 ui-monospace, monospace; user-select: all; }
nav a { margin-right: 1.1rem; }
</style></head><body>
)";

}  // namespace

std::string render_status_page(const StatusPageFacts& facts) {
    std::string out(kHead);
    auto to = std::back_inserter(out);
    fmt::format_to(to, "<h1>qwend<span class=\"{0}\">{0}</span></h1>\n", escape_html(facts.state));
    fmt::format_to(to, "<p>Serving <b>{}</b> over OpenAI's API.</p>\n<dl>\n",
                   escape_html(facts.model.names[0]));
    auto row = [&](std::string_view name, std::string_view value) {
        fmt::format_to(to, "<div><dt>{}</dt><dd>{}</dd></div>\n", name, escape_html(value));
    };
    const EngineMetrics& m = facts.metrics;
    row("Device", facts.device.empty() ? "loading" : facts.device);
    row("Context", fmt::format("{} tokens", facts.model.max_model_len));
    row("Running", fmt::format("{:.0f}, {:.0f} waiting", m.num_requests_running.value(),
                               m.num_requests_waiting.value()));
    row("KV cache", fmt::format("{:.1f} % of {:.0f} blocks", m.kv_cache_usage_perc.value() * 100,
                                m.kv_blocks_total.value()));
    row("Tokens generated", fmt::format("{}", m.generation_tokens.value()));
    row("Up", duration(facts.uptime));
    row("Version", qwend_version());
    out += "</dl>\n<p style=\"margin-top:1.6rem\">Talk to it:</p>\n<pre>";
    fmt::format_to(to,
                   "curl -N http://{}/v1/chat/completions -d '{{\n"
                   "  \"messages\": [{{\"role\": \"user\", \"content\": \"介绍一下大模型\"}}],\n"
                   "  \"stream\": true\n}}'",
                   escape_html(facts.host));
    out +=
        "</pre>\n<nav><a href=\"/health\">health</a><a href=\"/metrics\">metrics</a>"
        "<a href=\"/v1/models\">models</a><a href=\"/version\">version</a></nav>\n"
        "</body></html>\n";
    return out;
}

}  // namespace qwend
