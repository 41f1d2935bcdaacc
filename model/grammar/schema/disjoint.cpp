#include "model/grammar/schema/disjoint.h"

#include <algorithm>

#include "model/grammar/schema/expansion.h"

namespace qwend::grammar {

namespace {

constexpr int kMaxDepth = 3;  // of members within members that are compared

class Comparison {
  public:
    explicit Comparison(Expansion& expansion) : expansion_(expansion) {}

    bool excludes(const Branch& a, const Branch& b, int depth);

  private:
    bool numbers_exclude(const Branch& a, const Branch& b);
    bool strings_exclude(const Branch& a, const Branch& b);
    bool objects_exclude(const Branch& a, const Branch& b, int depth);
    bool values_exclude(const Terms& a, const Terms& b, int depth);

    Expansion& expansion_;
};

bool below(const std::optional<NumberBound>& max, const std::optional<NumberBound>& min) {
    if (!max || !min) return false;
    const int order = compare(max->value, min->value);
    return order < 0 || (order == 0 && (max->exclusive || min->exclusive));
}

bool Comparison::numbers_exclude(const Branch& a, const Branch& b) {
    return below(a.number.max, b.number.min) || below(b.number.max, a.number.min);
}

bool Comparison::strings_exclude(const Branch& a, const Branch& b) {
    if (a.max_length < b.min_length || b.max_length < a.min_length) return true;
    if (a.bodies.empty() || b.bodies.empty()) return false;
    std::vector<LanguageId> all = a.bodies;
    all.insert(all.end(), b.bodies.begin(), b.bodies.end());
    Languages& languages = expansion_.languages();
    return languages.is_empty(languages.both(std::move(all)));
}

bool Comparison::values_exclude(const Terms& a, const Terms& b, int depth) {
    if (depth >= kMaxDepth || a == b) return false;
    if (expansion_.in_progress(a) || expansion_.in_progress(b)) return false;
    if (!expansion_.is_exact(a) || !expansion_.is_exact(b)) return false;
    const std::vector<Branch> of_a = expansion_.branches(a), of_b = expansion_.branches(b);
    if (of_a.size() * of_b.size() > 400) return false;
    return std::ranges::all_of(of_a, [&](const Branch& one) {
        return std::ranges::all_of(
            of_b, [&](const Branch& other) { return excludes(one, other, depth + 1); });
    });
}

bool Comparison::objects_exclude(const Branch& a, const Branch& b, int depth) {
    if (a.max_members < b.min_members || b.max_members < a.min_members) return true;
    // A name that the one asks for and the other does not have, or has with other values.
    for (const auto& [asks, other] : {std::pair{&a, &b}, {&b, &a}})
        for (const std::string& name : asks->required) {
            if (other->forbidden.contains(name)) return true;
            const Terms theirs = expansion_.member_terms(*other, name);
            if (theirs.empty() || expansion_.in_progress(theirs)) continue;
            if (expansion_.branches(theirs).empty() && expansion_.is_exact(theirs)) return true;
            if (values_exclude(expansion_.member_terms(*asks, name), theirs, depth)) return true;
        }
    return false;
}

bool Comparison::excludes(const Branch& a, const Branch& b, int depth) {
    for (const auto& [listed, other] : {std::pair{&a, &b}, {&b, &a}}) {
        if (!listed->values) continue;
        const auto rejects = [&, &theirs = *other](const JsonValue& value) {
            return expansion_.rejects(theirs, value);
        };
        return std::ranges::all_of(*listed->values, rejects);
    }
    const uint8_t common = a.types & b.types;
    if (common & (types::kNull | types::kBoolean)) return false;
    if (common & types::kNumber && !numbers_exclude(a, b)) return false;
    if (common & types::kString && !strings_exclude(a, b)) return false;
    if (common & types::kObject && !objects_exclude(a, b, depth)) return false;
    if (common & types::kArray && a.max_items >= b.min_items && b.max_items >= a.min_items)
        return a.min_items > 0 && b.min_items > 0 &&
               values_exclude(expansion_.element_terms(a, 0), expansion_.element_terms(b, 0),
                              depth);
    return true;
}

}  // namespace

bool excludes(Expansion& expansion, const Branch& a, const Branch& b) {
    return Comparison(expansion).excludes(a, b, 0);
}

}  // namespace qwend::grammar
