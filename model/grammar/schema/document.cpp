#include "model/grammar/schema/document.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "model/utf8.h"

namespace qwend::grammar {

namespace {

std::string decode_percent(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); i++) {
        unsigned byte = 0;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(&text[i + 1], &text[i + 3], byte, 16).ptr == &text[i + 3]) {
            out += char(byte);
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

/// What a reference means where `base` is the address. Source: RFC 3986, 5.2, without dot segments.
std::string resolve_uri(std::string_view base, std::string_view reference) {
    const size_t colon = reference.find(':');
    if (colon != reference.npos && reference.find_first_of("/?#") > colon)
        return std::string(reference);
    const size_t scheme = base.find(':');
    if (reference.starts_with("//"))
        return std::string(base.substr(0, scheme == base.npos ? 0 : scheme + 1)) +
               std::string(reference);
    size_t authority_end = 0;
    if (scheme != base.npos && base.substr(scheme + 1).starts_with("//"))
        authority_end = std::min(base.find('/', scheme + 3), base.size());
    if (reference.starts_with('/'))
        return std::string(base.substr(0, authority_end)) + std::string(reference);
    if (reference.empty()) return std::string(base);
    const size_t slash = base.rfind('/');
    if (slash == base.npos || slash < authority_end)
        return std::string(base.substr(0, authority_end)) + (authority_end ? "/" : "") +
               std::string(reference);
    return std::string(base.substr(0, slash + 1)) + std::string(reference);
}

/// A member name in a pointer, or a number, escaped.
std::string escape_step(std::string_view step) {
    std::string out;
    for (const char c : step) {
        if (c == '~')
            out += "~0";
        else if (c == '/')
            out += "~1";
        else
            out += c;
    }
    return out;
}

}  // namespace

std::optional<JsonValue> SchemaDocument::Schema::find(Keyword keyword) const {
    for (const auto& [own, value] : keywords)
        if (own == keyword) return value;
    return {};
}

SchemaDocument::SchemaDocument(std::string_view text) : text_(text) {
    if (const auto fault = document_.parse(text))
        throw GrammarError(
            fmt::format("the schema is no JSON that can be read (byte {})", fault->offset));
    std::string draft;
    if (const auto member = document_.root().member("$schema")) member->get(draft);
    for (const char* old : {"draft-03", "draft-04", "draft-06", "draft-07"})
        is_old_ = is_old_ || draft.find(old) != draft.npos;
    for (const char* newer : {"draft-06", "draft-07", "2019-09", "2020-12"})
        has_plain_id_ = has_plain_id_ && draft.find(newer) == draft.npos;
    is_2019_09_ = draft.find("2019-09") != draft.npos;
    root();
}

SchemaId SchemaDocument::id_of(const JsonValue& value) {
    const auto begin = size_t(value.raw().data() - text_.data());
    const auto [at, is_new] = ids_.try_emplace(begin, SchemaId(schemas_.size()));
    if (!is_new) return at->second;
    Schema schema{value, {}, {}};
    bool always = false;
    if (value.get(always))
        schema.always = always;
    else if (!value.is_object())
        fail(value, fmt::format("a schema is expected, an object or a boolean, not {}",
                                excerpt(value.raw())));
    add_keywords(schema);
    schemas_.push_back(std::move(schema));
    return at->second;
}

void SchemaDocument::add_keywords(Schema& schema) const {
    // What stands beside a reference that stands alone is never looked at.
    const bool is_reference = is_old_ && schema.value.member("$ref");
    for (const auto& [name, value] : schema.value.members()) {
        const std::optional<Keyword> keyword = find_keyword(name);
        if (!keyword) continue;
        const char* expected = expected_value(*keyword, value);
        if (expected && (!is_reference || *keyword == Keyword::ref))
            fail(value, fmt::format("{} is expected, not {}", expected, excerpt(value.raw())));
        if (!expected) schema.keywords.emplace_back(*keyword, value);
    }
}

void SchemaDocument::fail(const JsonValue& at, std::string_view why) const {
    throw GrammarError(fmt::format("{}: {}", pointer_to(at), why));
}

std::string SchemaDocument::pointer_to(const JsonValue& value) const {
    const char* where = value.raw().data();
    auto holds = [&](const JsonValue& outer) {
        return outer.raw().data() <= where && where < outer.raw().data() + outer.raw().size();
    };
    std::string out = "#";
    std::optional<JsonValue> here = document_.root();
    while (here && here->raw().data() != where) {
        std::optional<JsonValue> next;
        for (const auto& [name, member] : here->members())
            if (holds(member)) out += "/" + escape_step(excerpt(name)), next = member;
        size_t i = 0;
        for (const JsonValue& element : here->elements()) {
            if (holds(element)) out += fmt::format("/{}", i), next = element;
            i++;
        }
        here = next;
    }
    return out;
}

/// Notes the schemas that have an address of their own, `$id`, and those that have a name,
/// `$anchor`: only where there are schemas, since elsewhere these are words like others.
void SchemaDocument::index_schema(const JsonValue& value, const std::string& outer, int depth) {
    if (!value.is_object() || depth >= int(kMaxJsonDepth)) return;
    std::string base = outer, text;
    for (const char* name : {"$id", "id"}) {
        const auto id = value.member(name);
        if (name[0] != '$' && !has_plain_id_) continue;
        if (!id || !id->get(text) || (is_old_ && value.member("$ref"))) continue;
        const size_t hash = text.find('#');
        if (hash != 0) {
            base = resolve_uri(outer, std::string_view(text).substr(0, hash));
            resources_.push_back({base, value});
        }
        if (hash != text.npos && hash + 1 < text.size())
            anchors_.emplace(base + text.substr(hash), value);
    }
    for (const char* name : {"$anchor", "$dynamicAnchor"})
        if (const auto anchor = value.member(name); anchor && anchor->get(text))
            anchors_.emplace(base + "#" + text, value);
    for (const auto& [name, member] : value.members()) {
        const std::optional<Keyword> keyword = find_keyword(name);
        const bool maps =
            name == "$defs" || name == "definitions" ||
            (keyword &&
             (*keyword == Keyword::properties || *keyword == Keyword::pattern_properties ||
              *keyword == Keyword::dependent_schemas || *keyword == Keyword::dependencies));
        if (!keyword && !maps) continue;
        if (keyword && (*keyword == Keyword::enum_ || *keyword == Keyword::const_)) continue;
        if (maps)
            for (const auto& [inner_name, inner] : member.members())
                index_schema(inner, base, depth + 1);
        else
            index_schema(member, base, depth + 1);
        for (const JsonValue& element : member.elements()) index_schema(element, base, depth + 1);
    }
}

/// The address of the innermost resource that the value is in.
const std::string& SchemaDocument::base_of(const JsonValue& value) const {
    const char* where = value.raw().data();
    const Resource* innermost = &resources_[0];
    for (const Resource& resource : resources_) {
        const std::string_view raw = resource.value.raw();
        if (raw.data() <= where && where < raw.data() + raw.size() &&
            raw.size() <= innermost->value.raw().size())
            innermost = &resource;
    }
    return innermost->base;
}

std::optional<JsonValue> SchemaDocument::member_of(const JsonValue& value,
                                                   const std::string& name) {
    const auto [at, is_new] = members_.try_emplace(size_t(value.raw().data() - text_.data()));
    if (is_new)
        for (const auto& [key, member] : value.members()) at->second.emplace(key, member);
    const auto found = at->second.find(name);
    if (found == at->second.end()) return {};
    return found->second;
}

std::optional<JsonValue> SchemaDocument::follow(JsonValue value, std::string_view pointer) {
    while (!pointer.empty()) {
        if (pointer[0] != '/') return {};
        const size_t end = std::min(pointer.find('/', 1), pointer.size());
        std::string step = decode_percent(pointer.substr(1, end - 1));
        for (size_t at = 0; (at = step.find('~', at)) != step.npos && at + 1 < step.size(); at++)
            step.replace(at, 2, step[at + 1] == '1' ? "/" : "~");
        pointer.remove_prefix(end);
        std::optional<JsonValue> next = member_of(value, step);
        size_t wanted = 0, i = 0;
        const auto [number_end, error] =
            std::from_chars(step.data(), step.data() + step.size(), wanted);
        if (error == std::errc() && number_end == step.data() + step.size())
            for (const JsonValue& element : value.elements())
                if (i++ == wanted) next = element;
        if (!next) return {};
        value = *next;
    }
    return value;
}

void SchemaDocument::index() {
    if (is_indexed_) return;
    resources_.push_back({"", document_.root()});
    index_schema(document_.root(), "", 0);
    count_dynamic_anchors(document_.root());
    is_indexed_ = true;
}

/// Wherever they are, since a reference may lead to what does not look like a schema.
void SchemaDocument::count_dynamic_anchors(const JsonValue& value) {
    for (const auto& [name, member] : value.members()) {
        std::string text;
        bool flag = false;
        if (name == "$dynamicAnchor" && member.get(text)) n_dynamic_anchors_[text]++;
        if (name == "$recursiveAnchor" && member.get(flag) && flag) n_dynamic_anchors_[""]++;
        count_dynamic_anchors(member);
    }
    for (const JsonValue& element : value.elements()) count_dynamic_anchors(element);
}

SchemaId SchemaDocument::resolve_dynamic(SchemaId from, const JsonValue& reference) {
    const SchemaId target = resolve(from, reference);
    std::string text, name;
    reference.get(text);
    const size_t hash = text.find('#');
    if (hash != text.npos) text = decode_percent(std::string_view(text).substr(hash + 1));
    // One that is no dynamic anchor is meant itself, wherever the reference stands.
    const JsonValue& value = schemas_[target].value;
    const auto anchor = value.member(text.empty() ? "$recursiveAnchor" : "$dynamicAnchor");
    const bool is_dynamic =
        anchor && (text.empty() ? anchor->raw() == "true" : anchor->get(name) && name == text);
    if (is_dynamic && n_dynamic_anchors_[text] > 1)
        fail(reference, fmt::format("\"#{}\" is not possible: it depends on the way there which of "
                                    "{} schemas is meant",
                                    excerpt(text), n_dynamic_anchors_[text]));
    return target;
}

SchemaId SchemaDocument::resolve(SchemaId from, const JsonValue& reference) {
    std::string text;
    reference.get(text);
    index();
    const size_t hash = std::min(text.find('#'), text.size());
    const std::string& base = base_of(schemas_[from].value);
    const std::string address = resolve_uri(base, std::string_view(text).substr(0, hash));
    const std::string_view fragment =
        std::string_view(text).substr(std::min(hash + 1, text.size()));
    std::optional<JsonValue> target;
    if (!fragment.empty() && fragment[0] != '/') {
        const auto at = anchors_.find(address + "#" + decode_percent(fragment));
        if (at != anchors_.end()) target = at->second;
    } else {
        for (const Resource& resource : resources_)
            if (!target && resource.base == address) target = follow(resource.value, fragment);
        // Many a schema has an `id` that is not meant as an address: then the whole document is.
        if (!target && hash == 0) target = follow(document_.root(), fragment);
    }
    if (!target) fail(reference, fmt::format("\"{}\" is not within the schema", excerpt(text)));
    return id_of(*target);
}

}  // namespace qwend::grammar
