#include "model/text/jinja/template.h"

#include <fmt/core.h>

#include "model/text/jinja/interpreter.h"
#include "model/text/jinja/template_parser.h"

namespace qwend::jinja {

Template::Template() = default;
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Template::Result Template::parse(std::string_view source) {
    auto out = std::unique_ptr<Template>(new Template);
    try {
        out->parsed_ = std::make_unique<ParsedTemplate>(parse_template(source, out->constants_));
    } catch (const Failure& failure) {
        return {nullptr, fmt::format("line {}: {}", failure.line, failure.message)};
    }
    return {std::move(out), {}};
}

bool Template::mentions(std::string_view name) const {
    return parsed_->names.find(name) != nullptr;
}

Rendering render(const Template& chat_template, const Variables& variables, Workspace& work) {
    Interpreter interpreter(*chat_template.parsed_, work, variables.now);
    try {
        for (const auto& [name, value] : variables.values) interpreter.set_variable(name, value);
        interpreter.run();
    } catch (const Failure& failure) {
        return {{}, {}, failure.message, interpreter.line(), failure.is_raised};
    }
    return {interpreter.output().bytes(), interpreter.output().ours(), {}, 0, false};
}

}  // namespace qwend::jinja
