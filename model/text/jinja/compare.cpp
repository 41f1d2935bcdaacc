#include "model/text/jinja/compare.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

namespace qwend::jinja {

namespace {

int sign_of(auto a, auto b) {
    return a < b ? -1 : a > b ? 1 : 0;
}

/// Wide enough for any 64-bit integer as it is.
long double real_of(const Value& number) {
    if (number.is(Type::real)) return number.as_real();
    if (number.is(Type::big_integer))
        return std::strtod(std::string(number.bytes()).c_str(), nullptr);
    return static_cast<long double>(number.as_integer());
}

/// -1, 0, 1; 2 if one of them is not a number at all.
int compare_numbers(const Value& a, const Value& b) {
    if (a.is_integral() && b.is_integral()) return sign_of(a.as_integer(), b.as_integer());
    if (a.is(Type::big_integer) && b.is(Type::big_integer)) {
        const std::string_view left = a.bytes(), right = b.bytes();
        const bool is_negative = left[0] == '-';
        if (is_negative != (right[0] == '-')) return is_negative ? -1 : 1;
        const int by_size = sign_of(left.size(), right.size());
        const int by_digits = by_size != 0 ? by_size : sign_of(left.compare(right), 0);
        return is_negative ? -by_digits : by_digits;
    }
    const long double left = real_of(a), right = real_of(b);
    if (std::isnan(left) || std::isnan(right)) return 2;
    return sign_of(left, right);
}

bool are_equal(Workspace& work, std::span<const Value> a, std::span<const Value> b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); i++)
        if (!equals(work, a[i], b[i])) return false;
    return true;
}

bool are_equal(Workspace& work, const Dict& a, const Dict& b) {
    if (a.members.size() != b.members.size()) return false;
    for (const Member& member : a.members) {
        const Value* other = find(work, b, member.key);
        if (other == nullptr || !equals(work, member.value, *other)) return false;
    }
    return true;
}

bool is_less_sequence(Workspace& work, std::span<const Value> a, std::span<const Value> b) {
    for (size_t i = 0; i < std::min(a.size(), b.size()); i++)
        if (!equals(work, a[i], b[i])) return is_less(work, a[i], b[i]);
    return a.size() < b.size();
}

/// Where the kinds of keys stand among each other.
int key_rank(const Value& key) {
    if (key.is_string()) return 3;
    if (key.is_number()) return 2;
    if (key.is(Type::tuple)) return 4;
    if (key.is_none()) return 0;
    if (key.is_undefined()) return 1;
    if (key.is(Type::list) || key.is_dict() || key.is(Type::view))
        throw Failure{fmt::format("unhashable type: '{}'", type_name(key))};
    return 5;
}

}  // namespace

bool equals(Workspace& work, const Value& a, const Value& b) {
    const Workspace::Level level(work);
    work.step();
    if (a.is_number() && b.is_number()) return compare_numbers(a, b) == 0;
    if (a.type() != b.type()) return false;
    switch (a.type()) {
        case Type::undefined:
        case Type::none:
            return true;
        case Type::string:
            if (a.bytes().size() == b.bytes().size()) work.scan(a.bytes().size());
            return a.bytes() == b.bytes();
        case Type::list:
        case Type::tuple:
        case Type::range:
            return are_equal(work, a.items(), b.items());
        case Type::dict:
            return are_equal(work, a.get<Dict>(), b.get<Dict>());
        default:
            return a.is_same(b);
    }
}

bool is_less(Workspace& work, const Value& a, const Value& b) {
    const Workspace::Level level(work);
    work.step();
    for (const Value* value : {&a, &b})
        if (value->is_undefined()) fail_undefined(*value);
    if (a.is_number() && b.is_number()) return compare_numbers(a, b) == -1;
    if (a.is_string() && b.is_string()) {
        work.scan(std::min(a.bytes().size(), b.bytes().size()));
        return a.bytes() < b.bytes();  // UTF-8 sorts as code points do
    }
    if (a.type() == b.type() && (a.is(Type::list) || a.is(Type::tuple)))
        return is_less_sequence(work, a.items(), b.items());
    throw Failure{fmt::format("'<' not supported between instances of '{}' and '{}'", type_name(a),
                              type_name(b))};
}

bool contains(Workspace& work, const Value& haystack, const Value& needle) {
    if (haystack.is_string()) {
        if (!needle.is_string())
            throw Failure{fmt::format("'in <string>' requires string as left operand, not {}",
                                      type_name(needle))};
        work.scan(haystack.bytes().size());
        return find_bytes(haystack.bytes(), needle.bytes()) != std::string_view::npos;
    }
    if (haystack.is_dict()) return find(work, haystack.get<Dict>(), needle) != nullptr;
    const auto items = try_walk(work, haystack);
    if (!items)
        throw Failure{fmt::format("argument of type '{}' is not iterable", type_name(haystack))};
    return std::any_of(items->begin(), items->end(), [&](const Value& item) {
        return item.is_same(needle) || equals(work, item, needle);
    });
}

int compare_keys(Workspace& work, const Value& a, const Value& b) {
    const Workspace::Level level(work);
    work.step();
    const int rank = key_rank(a);
    if (const int by_rank = sign_of(rank, key_rank(b)); by_rank != 0) return by_rank;
    if (a.is_string()) {
        work.scan(std::min(a.bytes().size(), b.bytes().size()));
        return sign_of(a.bytes().compare(b.bytes()), 0);
    }
    if (a.is_number()) return compare_numbers(a, b) % 2;
    if (a.is(Type::tuple)) {
        for (size_t i = 0; i < std::min(a.items().size(), b.items().size()); i++)
            if (const int by_item = compare_keys(work, a.items()[i], b.items()[i])) return by_item;
        return sign_of(a.items().size(), b.items().size());
    }
    if (rank < 2 || a.is_same(b)) return 0;
    return &a.get<char>() < &b.get<char>() ? -1 : 1;
}

}  // namespace qwend::jinja
