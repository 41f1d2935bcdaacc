// Renders chat templates for the parity test: reads lines {"template": …, "variables": {…}},
// answers each with {"text": …} or {"error": …}, flushed at once.

#include <cstdio>
#include <ctime>
#include <iostream>
#include <string>

#include "daemon/api/json_writer.h"
#include "model/json_document.h"
#include "model/text/jinja/from_json.h"
#include "model/text/jinja/template.h"

using namespace qwend;

namespace {

std::string answer(const std::string& line) {
    JsonDocument document;
    std::string source, out = R"({"error":)";
    if (document.parse(line)) return out + "\"not JSON\"}";
    document.root().member("template")->get(source);
    const auto parsed = jinja::Template::parse(source);
    if (!parsed.value) {
        append_json_string(out, parsed.error);
        return out + "}";
    }
    jinja::Workspace work;
    jinja::Variables variables{{}, std::time(nullptr)};
    for (const JsonMember& member : document.root().member("variables")->members())
        variables.values.emplace_back(member.key, jinja::from_json(work, member.value));
    const auto rendering = jinja::render(*parsed.value, variables, work);
    if (rendering.error.empty()) out = R"({"text":)";
    append_json_string(out, rendering.error.empty() ? rendering.text : rendering.error);
    return out + "}";
}

}  // namespace

int main() {
    std::string line;
    while (std::getline(std::cin, line)) {
        std::cout << answer(line) << std::endl;
    }
    return 0;
}
