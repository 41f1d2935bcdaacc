#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/text/jinja/value.h"

namespace qwend::jinja {

struct ParsedTemplate;

/// A parsed template. Immutable; may be rendered by any number of threads at once.
class Template {
  public:
    /// A template or, in `error`, why it is none: what is wrong and in which line.
    struct Result;
    static Result parse(std::string_view source);

    Template(Template&&) noexcept;
    Template& operator=(Template&&) noexcept;
    ~Template();

    /// Whether the template has the name as a variable, an attribute or a keyword.
    bool mentions(std::string_view name) const;

  private:
    friend struct Rendering render(const Template& chat_template, const struct Variables& variables,
                                   Workspace& work);
    Template();
    Workspace constants_;
    std::unique_ptr<ParsedTemplate> parsed_;
};

struct Template::Result {
    std::unique_ptr<const Template> value;  // null: there is an error
    std::string error;
};

struct Variables {
    std::vector<std::pair<std::string, Value>> values;  // in the workspace of the rendering
    std::time_t now = 0;                                // what strftime_now tells
};

/// What a template wrote, or why it did not: the text of raise_exception, or what went wrong. Of
/// the text, `ours` are the parts that the template wrote itself.
struct Rendering {
    std::string text;
    std::vector<Range> ours;
    std::string error;
    int line = 0;            // of the error
    bool is_raised = false;  // the error is the template's own
};

/// Renders byte for byte what transformers' apply_chat_template gives, within the workspace's
/// limits, of which each ends it with an error that names it.
Rendering render(const Template& chat_template, const Variables& variables, Workspace& work);

}  // namespace qwend::jinja
