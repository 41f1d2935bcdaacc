#include "model/text/jinja/from_json.h"

#include <string>
#include <vector>

namespace qwend::jinja {

namespace {

Value number_from(Workspace& work, const JsonValue& value) {
    double real = 0;
    if (!value.is_integer()) {
        value.get(real);
        return Value::real(real);
    }
    int64_t integer = 0;
    if (value.get(integer)) return Value::integer(integer);
    return Value::of(Type::big_integer,
                     work.make<Text>(work.copy(value.raw()), std::span<const Range>(), false));
}

}  // namespace

Value from_json(Workspace& work, const JsonValue& value) {
    const Workspace::Level level(work);
    std::string text;
    if (value.get(text)) return make_data(work, text);
    if (value.is_number()) return number_from(work, value);
    if (value.is_array()) {
        std::vector<Value> items;
        for (const JsonValue element : value.elements()) items.push_back(from_json(work, element));
        return make_sequence(work, Type::list, items);
    }
    if (value.is_object()) {
        std::vector<Member> members;
        for (const auto& [key, member] : value.members())
            members.push_back({make_data(work, key), from_json(work, member)});
        return make_dict_value(work, std::move(members));
    }
    bool boolean = false;
    return value.get(boolean) ? Value::boolean(boolean) : Value::none();
}

}  // namespace qwend::jinja
