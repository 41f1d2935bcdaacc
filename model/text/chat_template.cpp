#include "model/text/chat_template.h"

#include <fmt/core.h>

#include <map>

#include "model/json.h"
#include "model/text/jinja_source.h"

namespace qwend {

namespace {

constexpr std::string_view kSystemOpening = "<|im_start|>system\n";
constexpr std::string_view kTurnEnd = "<|im_end|>";

/// The published texts are known by their FNV-1a hash, with the default system prompt, the one part
/// that differs between checkpoints of a family, replaced by nothing and without white space at the
/// end, which some copies lack.
constexpr uint64_t kQwen2Hash = 0x3f7a0ccd7c6665f7;
constexpr uint64_t kQwen25Hash = 0xfaca023bb9b84338;

uint64_t fnv1a(std::string_view text) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (char c : text) hash = (hash ^ uint8_t(c)) * 0x100000001b3u;
    return hash;
}

/// The literal that is a whole system turn: what the template writes where a conversation has none.
/// `system` is what it says.
bool is_default_turn(const JinjaPiece& piece, std::string& system) {
    if (!piece.is_literal || !piece.text.starts_with(kSystemOpening)) return false;
    const size_t end = piece.text.find(kTurnEnd);
    if (end == std::string::npos) return false;
    system = piece.text.substr(kSystemOpening.size(), end - kSystemOpening.size());
    return true;
}

struct NamedTemplates {
    std::string source;  // the file, for errors
    std::map<std::string, std::string> texts;
};

/// A template alone is the default; several are a list of {name, template}.
void read_template_field(const JsonFile& json, NamedTemplates& found) {
    namespace dom = simdjson::dom;
    const auto field = json.find("chat_template");
    if (!field) return;
    found.source = json.name();
    const dom::element value = *field;
    std::string_view text, name;
    dom::array list;
    if (!value.get(text)) {
        found.texts["default"] = text;
        return;
    }
    if (value.get(list))
        json.fail("\"chat_template\": expected a string, or a list of named templates");
    for (auto element : list) {
        dom::object item;
        if (element.get(item) || item.at_key("name").get(name) || item.at_key("template").get(text))
            json.fail("\"chat_template\": expected a list of {name, template}");
        found.texts[std::string(name)] = text;
    }
}

NamedTemplates find_templates(const std::filesystem::path& dir) {
    NamedTemplates found;
    if (const auto path = dir / "chat_template.jinja"; std::filesystem::exists(path)) {
        found.source = path.string();
        found.texts["default"] = read_file(path);
    }
    if (const auto more = dir / "additional_chat_templates"; std::filesystem::is_directory(more)) {
        for (const auto& entry : std::filesystem::directory_iterator(more)) {
            if (entry.path().extension() != ".jinja") continue;
            if (found.source.empty()) found.source = more.string();
            found.texts[entry.path().stem().string()] = read_file(entry.path());
        }
    }
    for (auto name : {"tokenizer_config.json", "chat_template.json"})
        if (found.texts.empty() && std::filesystem::exists(dir / name))
            read_template_field(JsonFile(dir / name), found);
    return found;
}

}  // namespace

ChatTemplate recognize_chat_template(std::string_view published) {
    const auto pieces = split_jinja_source(published);
    std::string system;
    for (const JinjaPiece& piece : pieces)
        if (is_default_turn(piece, system)) break;
    std::string text;
    for (const JinjaPiece& piece : pieces) {
        std::string literal = piece.text, own;
        if (literal == system)
            literal.clear();
        else if (is_default_turn(piece, own) && own == system)
            literal.erase(kSystemOpening.size(), system.size());
        // The length keeps a quote within a literal from passing for its end.
        text += piece.is_literal ? fmt::format("'{}:{}'", literal.size(), literal) : piece.text;
    }
    text.erase(text.find_last_not_of(" \n") + 1);
    const uint64_t hash = fnv1a(text);
    if (hash == kQwen2Hash) return {ChatTemplate::qwen2, system};
    if (hash == kQwen25Hash) return {ChatTemplate::qwen2_5, system};
    return {};
}

ChatTemplate load_chat_template(const std::filesystem::path& dir) {
    const NamedTemplates found = find_templates(dir);
    if (found.texts.empty()) return {};
    auto recognized = [&](const std::string& name) {
        ChatTemplate out = recognize_chat_template(found.texts.at(name));
        if (out.kind == ChatTemplate::none)
            throw LoadError(fmt::format(
                "{}: expected the chat template published with Qwen2-Instruct or "
                "Qwen2.5-Instruct{}, found another; qwend renders these two natively and no others "
                "yet",
                found.source,
                found.texts.size() > 1 ? fmt::format(" under the name \"{}\"", name) : ""));
        out.text = found.texts.at(name);
        return out;
    };
    if (!found.texts.contains("default"))
        throw LoadError(
            fmt::format("{}: there are {} chat templates, but expected one to be named \"default\"",
                        found.source, found.texts.size()));
    ChatTemplate chosen = recognized("default");
    if (found.texts.contains("tool_use"))
        chosen.tool_use = std::make_shared<const ChatTemplate>(recognized("tool_use"));
    return chosen;
}

}  // namespace qwend
