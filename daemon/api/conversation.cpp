#include "daemon/api/conversation.h"

#include <map>

namespace qwend {

std::string template_role(std::string_view role) {
    static const std::map<std::string_view, const char*> roles = {
        {"system", "system"}, {"developer", "developer"},
        {"user", "user"},     {"assistant", "assistant"},
        {"tool", "tool"},     {"function", "tool"},  // OpenAI's older name for it
    };
    const auto found = roles.find(role);
    return found == roles.end() ? "" : found->second;
}

std::string call_arguments(const JsonValue& value) {
    std::string text;
    if (value.is_object()) return std::string(value.raw());
    JsonDocument document;
    const bool is_object = value.get(text) && !document.parse(text) && document.root().is_object();
    return is_object ? text : "{}";
}

}  // namespace qwend
