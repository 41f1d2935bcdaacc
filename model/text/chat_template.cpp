#include "model/text/chat_template.h"

#include <fmt/core.h>

#include <map>

#include "model/gguf/files.h"
#include "model/json.h"
#include "model/text/read_gguf.h"
#include "model/text/tokenizer_files.h"

namespace qwend {

namespace {

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

NamedTemplates find_templates(const std::filesystem::path& dir, const std::filesystem::path& file) {
    NamedTemplates found;
    if (!file.empty()) {
        found.source = file.string();
        found.texts["default"] = read_file(file);
        return found;
    }
    if (const auto gguf = find_gguf(dir); !gguf.empty()) {
        found.source = gguf.string();
        for (auto& [name, text] : gguf_templates(read_gguf_header(gguf))) found.texts[name] = text;
        return found;
    }
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

/// The tokens that templates know by name, from the files where transformers has them.
std::vector<std::pair<std::string, std::string>> load_special_tokens(
    const std::filesystem::path& dir) {
    std::vector<std::pair<std::string, std::string>> tokens;
    if (const auto file = find_gguf(dir); !file.empty())
        return gguf_special_tokens(read_gguf_header(file));
    for (const char* name : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                             "cls_token", "mask_token"})
        if (auto token = load_special_token(dir, name)) tokens.emplace_back(name, *token);
    return tokens;
}

}  // namespace

ChatTemplate parse_chat_template(std::string_view text, std::string source) {
    ChatTemplate out;
    out.text = text;
    out.source = std::move(source);
    auto parsed = jinja::Template::parse(text);
    out.error = std::move(parsed.error);
    out.parsed = std::move(parsed.value);
    return out;
}

ChatTemplate load_chat_template(const std::filesystem::path& dir,
                                const std::filesystem::path& file) {
    const NamedTemplates found = find_templates(dir, file);
    if (found.texts.empty()) return {};
    auto parse = [&](const std::string& name) {
        ChatTemplate out = parse_chat_template(found.texts.at(name), found.source);
        if (!out.error.empty() && found.texts.size() > 1)
            out.error = fmt::format("the template \"{}\": {}", name, out.error);
        out.special_tokens = load_special_tokens(dir);
        return out;
    };
    if (!found.texts.contains("default")) {
        ChatTemplate none;
        none.source = found.source;
        none.error = fmt::format("there are {} chat templates, but none is named \"default\"",
                                 found.texts.size());
        return none;
    }
    ChatTemplate chosen = parse("default");
    if (found.texts.contains("tool_use"))
        chosen.tool_use = std::make_shared<const ChatTemplate>(parse("tool_use"));
    return chosen;
}

}  // namespace qwend
