#include <fmt/core.h>

#include <algorithm>
#include <string>

#include "model/text/jinja/builtins.h"
#include "model/text/jinja/characters.h"
#include "model/text/jinja/compare.h"
#include "model/text/jinja/interpreter.h"
#include "model/text/jinja/print.h"

namespace qwend::jinja {

namespace {

Value folded(Workspace& work, const Value& value) {
    return value.is_string() ? make_string(work, change_case(work, value.text(), Case::lower))
                             : value;
}

/// What an element is sorted or compared by: itself or an attribute of it, without its case.
Value key_of(Call& call, const Value& item, size_t i_attribute, bool is_case_sensitive) {
    Value key = item;
    if (call.has(i_attribute) && !call[i_attribute].is_none())
        key = attribute_at(call, item, call[i_attribute], {});
    return is_case_sensitive ? key : folded(call.work, key);
}

Value first(Call& call) {
    if (call[0].is(Type::iterator)) {
        auto& iterator = call[0].mutable_<Iterator>();
        if (iterator.position < iterator.items.size()) return iterator.items[iterator.position++];
    }
    const auto items = walk(call.work, call[0]);
    return items.empty() ? make_undefined_because(call.work, "No first item, sequence was empty.")
                         : items.front();
}

Value last(Call& call) {
    if (call[0].is(Type::iterator) || call[0].is_undefined())
        throw Failure{fmt::format("'{}' object is not reversible", type_name(call[0]))};
    const auto items = walk(call.work, call[0]);
    return items.empty() ? make_undefined_because(call.work, "No last item, sequence was empty.")
                         : items.back();
}

Value reverse(Call& call) {
    if (call[0].is_string())
        return slice(call.work, call[0], Value::none(), Value::none(), Value::integer(-1));
    const auto items = try_walk(call.work, call[0]);
    if (!items) throw Failure{"argument must be iterable"};
    std::vector<Value> reversed(items->rbegin(), items->rend());
    if (call[0].is(Type::iterator)) return make_sequence(call.work, Type::list, reversed);
    return make_iterator(call.work, reversed, "list_reverseiterator");
}

/// Several attributes, parted by commas, are compared one after the other.
Value sort(Call& call) {
    const bool is_case_sensitive = call.flag(2, false);
    std::vector<Value> attributes;
    if (call.has(3) && call[3].is_string()) {
        std::string_view names = call[3].bytes();
        for (size_t at = 0; at <= names.size();) {
            const size_t end = std::min(names.find(',', at), names.size());
            attributes.push_back(make_ours(call.work, names.substr(at, end - at)));
            at = end + 1;
        }
    } else {
        attributes.push_back(call.has(3) ? call[3] : Value::none());
    }
    std::vector<std::pair<Value, Value>> keyed;
    for (const Value& item : walk(call.work, call[0])) {
        std::vector<Value> keys;
        for (const Value& attribute : attributes) {
            const Value key = attribute.is_none() ? item : attribute_at(call, item, attribute, {});
            keys.push_back(is_case_sensitive ? key : folded(call.work, key));
        }
        keyed.emplace_back(make_sequence(call.work, Type::list, keys), item);
    }
    return sort_values(call.work, std::move(keyed), call.flag(1, false));
}

Value unique(Call& call) {
    const bool is_case_sensitive = call.flag(1, false);
    std::vector<Member> seen;
    for (const Value& item : walk(call.work, call[0]))
        seen.push_back({key_of(call, item, 2, is_case_sensitive), item});
    // A dict keeps the place of a key's first member, but its last value.
    std::vector<Member> places;
    for (size_t i = seen.size(); i-- > 0;)
        places.push_back({seen[i].key, Value::integer(int64_t(i))});
    std::vector<bool> is_first(seen.size());
    for (const Member& member : make_dict(call.work, std::move(places))->members)
        is_first[size_t(member.value.as_integer())] = true;
    std::vector<Value> items;
    for (size_t i = 0; i < seen.size(); i++)
        if (is_first[i]) items.push_back(seen[i].value);
    return make_iterator(call.work, items, "generator");
}

Value extreme(Call& call, bool is_greatest) {
    const bool is_case_sensitive = call.flag(1, false);
    const auto items = walk(call.work, call[0]);
    if (items.empty())
        return make_undefined_because(call.work, "No aggregated item, sequence was empty.");
    Value best = items[0], best_key = key_of(call, items[0], 2, is_case_sensitive);
    for (const Value& item : items.subspan(1)) {
        const Value key = key_of(call, item, 2, is_case_sensitive);
        const bool is_better =
            is_greatest ? is_less(call.work, best_key, key) : is_less(call.work, key, best_key);
        if (is_better) best = item, best_key = key;
    }
    return best;
}

Value min(Call& call) {
    return extreme(call, false);
}
Value max(Call& call) {
    return extreme(call, true);
}

Value sum(Call& call) {
    Value total = call.has(2) ? call[2] : Value::integer(0);
    if (total.is_string()) throw Failure{"sum() can't sum strings [use ''.join(seq) instead]"};
    for (const Value& item : walk(call.work, call[0])) {
        const bool has_attribute = call.has(1) && !call[1].is_none();
        const Value part = has_attribute ? attribute_at(call, item, call[1], {}) : item;
        total = apply_binary(call.work, Operator::add, total, part);
    }
    return total;
}

Value batch(Call& call) {
    const int64_t size = call.integer(1, 0);
    std::vector<Value> lines, line;
    const auto items = walk(call.work, call[0]);
    for (const Value& item : items) {
        if (int64_t(line.size()) == size) {
            lines.push_back(make_sequence(call.work, Type::list, line));
            line.clear();
        }
        line.push_back(item);
    }
    if (!line.empty()) {
        if (call.has(2) && !call[2].is_none() && int64_t(line.size()) < size) {
            call.work.take(size_t(size) * sizeof(Value));
            line.resize(size_t(size), call[2]);
        }
        lines.push_back(make_sequence(call.work, Type::list, line));
    }
    return make_iterator(call.work, lines, "generator");
}

Value slices(Call& call) {
    const auto items = walk(call.work, call[0]);
    const int64_t n = call.integer(1, 0);
    if (n == 0) throw Failure{"integer division or modulo by zero"};
    if (n < 0) return make_iterator(call.work, {}, "generator");
    call.work.take(size_t(n) * sizeof(Value));
    const size_t each = items.size() / size_t(n), n_longer = items.size() % size_t(n);
    std::vector<Value> columns;
    size_t at = 0;
    for (size_t i = 0; i < size_t(n); i++) {
        const size_t size = each + (i < n_longer ? 1 : 0);
        std::vector<Value> column(items.begin() + ptrdiff_t(at),
                                  items.begin() + ptrdiff_t(at + size));
        if (call.has(2) && !call[2].is_none() && i >= n_longer) column.push_back(call[2]);
        columns.push_back(make_sequence(call.work, Type::list, column));
        at += size;
    }
    return make_iterator(call.work, columns, "generator");
}

/// Groups of what has one value of an attribute, sorted by it: tuples (value, [items]).
Value groupby(Call& call) {
    const bool is_case_sensitive = call.flag(3, false);
    const Value otherwise = call.has(2) && !call[2].is_none() ? call[2] : Value();
    std::vector<std::pair<Value, Value>> keyed;
    for (const Value& item : walk(call.work, call[0])) {
        const Value key = attribute_at(call, item, call[1], otherwise);
        const Value pair[] = {is_case_sensitive ? key : folded(call.work, key), key, item};
        keyed.emplace_back(pair[0], make_sequence(call.work, Type::tuple, pair));
    }
    std::vector<Value> groups, group;
    const Value sorted = sort_values(call.work, std::move(keyed), false);
    for (size_t i = 0; i < sorted.items().size(); i++) {
        const auto entry = sorted.items()[i].items();
        group.push_back(entry[2]);
        const bool is_last = i + 1 == sorted.items().size() ||
                             !equals(call.work, entry[0], sorted.items()[i + 1].items()[0]);
        if (!is_last) continue;
        const auto first_entry = sorted.items()[i + 1 - group.size()].items();
        const Value pair[] = {first_entry[1], make_sequence(call.work, Type::list, group)};
        groups.push_back(make_sequence(call.work, Type::tuple, pair));
        group.clear();
    }
    return make_sequence(call.work, Type::list, groups);
}

constexpr Builtin kFilters[] = {
    {"first", "seq", first},
    {"last", "seq", last},
    {"reverse", "value", reverse},
    {"sort", "value reverse? case_sensitive? attribute?", sort},
    {"unique", "value case_sensitive? attribute?", unique},
    {"min", "value case_sensitive? attribute?", min},
    {"max", "value case_sensitive? attribute?", max},
    {"sum", "iterable attribute? start?", sum},
    {"batch", "value linecount fill_with?", batch},
    {"slice", "value slices fill_with?", slices},
    {"groupby", "value attribute default? case_sensitive?", groupby},
};

}  // namespace

std::span<const Builtin> sequence_filters() {
    return kFilters;
}

Value sort_values(Workspace& work, std::vector<std::pair<Value, Value>> keyed, bool reverse) {
    std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
        return reverse ? is_less(work, b.first, a.first) : is_less(work, a.first, b.first);
    });
    std::vector<Value> sorted;
    for (const auto& [key, value] : keyed) sorted.push_back(value);
    return make_sequence(work, Type::list, sorted);
}

/// `attribute` may be a path with dots, in which numbers are indices.
Value attribute_at(Call& call, const Value& item, const Value& attribute, const Value& otherwise) {
    Value value = item;
    if (!attribute.is_string()) {
        value = call.interpreter.subscript(value, attribute);
        return otherwise.is_given() && value.is_undefined() ? otherwise : value;
    }
    const std::string_view path = attribute.bytes();
    for (size_t at = 0; at <= path.size();) {
        const size_t end = std::min(path.find('.', at), path.size());
        const std::string_view part = path.substr(at, end - at);
        const bool is_number = !part.empty() && part.size() < 10 &&
                               part.find_first_not_of("0123456789") == std::string_view::npos;
        const Value index =
            is_number ? Value::integer(std::stoll(std::string(part))) : make_ours(call.work, part);
        value = call.interpreter.subscript(value, index);
        if (otherwise.is_given() && value.is_undefined()) value = otherwise;
        at = end + 1;
    }
    return value;
}

}  // namespace qwend::jinja
