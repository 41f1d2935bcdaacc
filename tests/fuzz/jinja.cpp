// Chat templates and their variables, TEMPLATE \x1D JSON: whatever is parsed is rendered within its
// limits, twice alike, and says what of it the template wrote.

#include <cstdint>
#include <string>

#include "model/json_document.h"
#include "model/text/jinja/from_json.h"
#include "model/text/jinja/template.h"
#include "tests/fuzz/cost.h"

using namespace qwend;

namespace {

constexpr jinja::Limits kLimits{
    .steps = 200'000, .value_bytes = 32u << 20, .output_bytes = 4u << 20};

jinja::Rendering rendered(const jinja::Template& chat_template, std::string_view json) {
    jinja::Workspace work(kLimits);
    jinja::Variables variables{{}, 0};
    JsonDocument document;
    if (!document.parse(json)) {
        try {
            for (const JsonMember& member : document.root().members())
                variables.values.emplace_back(member.key, jinja::from_json(work, member.value));
        } catch (const jinja::Failure& failure) {
            return {{}, {}, failure.message, 0, false};
        }
    }
    return jinja::render(chat_template, variables, work);
}

void check(const jinja::Rendering& rendering) {
    if (!rendering.error.empty() && !rendering.text.empty()) std::abort();
    if (rendering.text.size() > kLimits.value_bytes) std::abort();
    size_t at = 0;
    for (const jinja::Range range : rendering.ours) {
        if (range.begin < at || range.end <= range.begin) std::abort();
        if (range.end > rendering.text.size()) std::abort();
        at = range.end;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string text = amplified({reinterpret_cast<const char*>(data), size}, 1u << 20);
    const size_t mark = std::min(text.find('\x1D'), text.size());
    const std::string_view json =
        std::string_view(text).substr(mark == text.size() ? mark : mark + 1);
    jinja::Template::Result parsed;
    within_cost("parse", text.size(),
                [&] { parsed = jinja::Template::parse(std::string_view(text).substr(0, mark)); });
    if (!parsed.value) return 0;
    within_cost("render", text.size(), [&] {
        const auto rendering = rendered(*parsed.value, json);
        check(rendering);
        const auto again = rendered(*parsed.value, json);
        if (again.text != rendering.text || again.error != rendering.error) std::abort();
    });
    return 0;
}
