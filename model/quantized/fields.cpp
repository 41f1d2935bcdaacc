#include "model/quantized/fields.h"

#include <fmt/core.h>

#include <algorithm>

#include "model/json.h"
#include "model/quantized/refusal.h"

namespace qwend {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

void SchemeFields::refuse(std::string_view why) const {
    refuse_scheme(source_, scheme_, why);
}

void SchemeFields::refuse_type(const char* name, std::string_view expected, element found) const {
    constexpr size_t kMost = 80;  // characters of a value that is shown
    refuse(fmt::format("{}: expected {}, found {}", name, expected,
                       simdjson::minify(found).substr(0, kMost)));
}

int64_t SchemeFields::integer(std::initializer_list<const char*> names, int64_t otherwise) const {
    for (const char* name : names) {
        const auto found = find_last(object_, name);
        int64_t value = 0;
        if (!found) continue;
        if (found->get(value) != simdjson::SUCCESS) refuse_type(name, "an integer", *found);
        return value;
    }
    return otherwise;
}

bool SchemeFields::boolean(const char* name, bool otherwise) const {
    const auto found = find_last(object_, name);
    bool value = otherwise;
    if (found && found->get(value) != simdjson::SUCCESS) refuse_type(name, "true or false", *found);
    return value;
}

std::string SchemeFields::lower(const char* name, std::string_view otherwise) const {
    const auto found = find_last(object_, name);
    std::string_view value = otherwise;
    if (found && found->get(value) != simdjson::SUCCESS) refuse_type(name, "a word", *found);
    std::string made(value);
    for (char& c : made) c = c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
    return made;
}

std::optional<object> SchemeFields::find_object(const char* name) const {
    const auto found = find_last(object_, name);
    object value;
    if (!found) return std::nullopt;
    if (found->get(value) != simdjson::SUCCESS) refuse_type(name, "an object", *found);
    if (value.size() == 0) return std::nullopt;
    return value;
}

std::optional<std::pair<int, int>> SchemeFields::block(const char* name) const {
    constexpr int64_t kLargest = 1 << 16;
    const auto found = find_last(object_, name);
    if (!found) return std::nullopt;
    array sizes;
    int64_t rows = 0, columns = 0;
    if (found->get(sizes) != simdjson::SUCCESS || sizes.size() != 2 ||
        sizes.at(0).get(rows) != simdjson::SUCCESS ||
        sizes.at(1).get(columns) != simdjson::SUCCESS || rows < 1 || columns < 1 ||
        rows > kLargest || columns > kLargest || columns % 32 != 0)
        refuse_type(name, "two sizes, the second a multiple of 32", *found);
    return std::pair(int(rows), int(columns));
}

object SchemeFields::only_of(const char* name) const {
    const auto groups = find_object(name);
    if (!groups) refuse(fmt::format("{}: expected one, found none", name));
    object only;
    std::string first;
    for (auto [key, value] : *groups) {
        if (value.get(only) != simdjson::SUCCESS) refuse_type(name, "objects", value);
        const std::string text = simdjson::minify(value);
        if (first.empty()) first = text;
        if (text != first)
            refuse(fmt::format("{}: expected one, found {} that differ", name, groups->size()));
    }
    return only;
}

void SchemeFields::add_names(const char* name, ModuleNames& names) const {
    const auto found = find_last(object_, name);
    if (!found) return;
    array list, inner;
    if (found->get(list) != simdjson::SUCCESS) refuse_type(name, "a list of names", *found);
    auto add = [&](element value) {
        std::string_view text;
        if (value.get(text) != simdjson::SUCCESS) refuse_type(name, "names", value);
        names.add(text);
    };
    for (auto value : list) {
        if (value.get(inner) != simdjson::SUCCESS) {
            add(value);
            continue;
        }
        for (auto each : inner) add(each);
    }
}

void SchemeFields::add_targets(const char* name, ModuleNames& names) const {
    ModuleNames targets;
    add_names(name, targets);
    if (targets.find("Linear") != Named::yes) names = std::move(targets);
}

}  // namespace qwend
