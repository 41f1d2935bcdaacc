// Whether there is a text in a language: a walk of its automaton until one is found.

#include <vector>

#include "model/grammar/languages.h"

namespace qwend::grammar {

bool Languages::is_empty(LanguageId id) {
    // A sequence is as empty as its parts: what is around the one that is to be looked at, as
    // quotes are, need not be walked.
    for (;;) {
        const Expression& e = at(id);
        if (e.kind != Kind::sequence || e.plain) break;
        if (at(e.a).plain)
            id = e.b;
        else if (at(e.b).plain)
            id = e.a;
        else
            break;
    }
    const Expression& e = at(id);
    if (e.plain) return id == kNothing;
    if (e.has_empty) return false;
    if (life(id) == 0) find_text(id);
    return life(id) == 2;
}

/// Walks the automaton from `id` until a text is found, and notes what that says of each state.
void Languages::find_text(LanguageId id) {
    std::vector<LanguageId> visited{id};
    try {
        if (!find_short_text(id, visited)) find_text_from(id, visited);
    } catch (const GrammarError&) {
        for (const LanguageId seen : visited) set_life(seen, 0);
        throw;
    }
}

/// Looks for a short text first: of languages with a length the way out is found, and not the
/// longest way. Whether it is known now.
bool Languages::find_short_text(LanguageId id, std::vector<LanguageId>& visited) {
    constexpr size_t kMostShort = 40;
    std::vector<size_t> from{0};  // which of those visited leads to each
    auto is_alive = [&](LanguageId to) {
        const Expression& e = at(to);
        return e.has_empty || life(to) == 1 || (e.plain && to != kNothing);
    };
    set_life(id, 2);  // until it is found to have one: it is not walked twice
    for (size_t here = 0; here < visited.size(); here++) {
        if (here == kMostShort) {
            for (const LanguageId seen : visited) set_life(seen, 0);
            visited.resize(1);
            return false;
        }
        ByteSet tried;
        for (int byte = 0; (byte = tried.first_missing()) <= 255;) {
            const Derivative of = derive(visited[here], uint8_t(byte));
            tried |= of.same;
            if (is_alive(of.to)) {
                // What leads to it has a text; of others that were seen nothing is known yet, since
                // they may lead back to one of these.
                for (const LanguageId seen : visited) set_life(seen, 0);
                for (size_t at = here; at > 0; at = from[at]) set_life(visited[at], 1);
                set_life(id, 1);
                return true;
            }
            if (of.to == kNothing || life(of.to) == 2) continue;
            set_life(of.to, 2);
            visited.push_back(of.to);
            from.push_back(here);
        }
    }
    return true;
}

void Languages::find_text_from(LanguageId id, std::vector<LanguageId>& visited) {
    struct Visit {
        LanguageId id;
        ByteSet tried;
    };
    std::vector<Visit> path{{id, {}}};
    set_life(id, 2);  // until it is found to have one: it is not walked twice
    auto alive = [&](LanguageId to) {
        const Expression& e = at(to);
        return e.has_empty || life(to) == 1 || (e.plain && to != kNothing);
    };
    while (!path.empty()) {
        Visit& here = path.back();
        const int byte = here.tried.first_missing();
        if (byte > 255) {
            path.pop_back();
            continue;
        }
        const Derivative of = derive(here.id, uint8_t(byte));
        here.tried |= of.same;
        if (alive(of.to)) {
            // What leads to it has a text; of others that were seen nothing is known yet, since
            // they may lead back to one of these.
            for (const LanguageId seen : visited) set_life(seen, 0);
            for (const Visit& visit : path) set_life(visit.id, 1);
            return;
        }
        if (of.to == kNothing || life(of.to) == 2) continue;
        set_life(of.to, 2);
        visited.push_back(of.to);
        path.push_back({of.to, {}});
    }
}

}  // namespace qwend::grammar
