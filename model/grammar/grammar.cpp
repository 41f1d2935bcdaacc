#include "model/grammar/grammar.h"

#include <algorithm>
#include <utility>

namespace qwend::grammar {

namespace {

uint32_t plus(uint32_t depth, uint32_t more) {
    return depth == kUnbounded ? kUnbounded : depth + more;
}

}  // namespace

NodeId Grammar::add(Node node) {
    nodes.push_back(std::move(node));
    return NodeId(nodes.size() - 1);
}

NodeId Grammar::text(LanguageId language) {
    Node node;
    node.kind = Node::Kind::text;
    node.language = language;
    return add(std::move(node));
}

NodeId Grammar::sequence(std::vector<NodeId> parts) {
    if (parts.size() == 1) return parts[0];
    Node node;
    node.kind = Node::Kind::sequence;
    node.parts = std::move(parts);
    return add(std::move(node));
}

NodeId Grammar::choice(std::vector<NodeId> parts) {
    if (parts.size() == 1) return parts[0];
    Node node;
    node.kind = Node::Kind::choice;
    node.parts = std::move(parts);
    return add(std::move(node));
}

uint32_t Grammar::depth_of(const Members& all) const {
    uint32_t depth = 0, n_possible = 0;
    for (const Members::Property& property : all.properties) {
        const uint32_t value = nodes[property.value].depth;
        n_possible += value != kUnbounded;
        if (property.required) depth = std::max(depth, plus(value, 1));
    }
    uint32_t others = kUnbounded;
    for (const Members::Others& each : all.others)
        others = std::min(others, plus(nodes[each.value].depth, 1));
    const auto n_required =
        uint32_t(std::ranges::count(all.properties, true, &Members::Property::required));
    if (n_required > all.max || all.min > all.max || n_possible + (others != kUnbounded) < all.min)
        return kUnbounded;
    if (n_required >= all.min) return depth;
    // The shallowest of the rest have to come too.
    std::vector<uint32_t> rest{others};
    for (const Members::Property& property : all.properties)
        if (!property.required) rest.push_back(plus(nodes[property.value].depth, 1));
    std::ranges::sort(rest);
    return std::max(depth, rest[all.min - n_required - 1]);
}

uint32_t Grammar::depth_of(const Node& node) const {
    switch (node.kind) {
        case Node::Kind::undefined:
            return kUnbounded;
        case Node::Kind::text:
            return node.language == Languages::kNothing ? kUnbounded : 0;
        case Node::Kind::counted:
            return node.min > node.max ? kUnbounded : 0;
        case Node::Kind::sequence: {
            uint32_t depth = 0;
            for (size_t i = 0; i < node.parts.size(); i++)
                depth =
                    std::max(depth, plus(nodes[node.parts[i]].depth, i + 1 < node.parts.size()));
            return depth;
        }
        case Node::Kind::choice: {
            uint32_t depth = kUnbounded;
            for (const NodeId part : node.parts) depth = std::min(depth, nodes[part].depth);
            return depth;
        }
        case Node::Kind::list: {
            if (node.min > node.max) return kUnbounded;
            uint32_t depth = 0;
            for (size_t i = 0; i < std::min(node.parts.size(), size_t(node.min)); i++)
                depth =
                    std::max(depth, node.parts[i] == kNoNode ? kUnbounded
                                                             : plus(nodes[node.parts[i]].depth, 1));
            return depth;
        }
        case Node::Kind::mix:
            return depth_of_mix(node);
        case Node::Kind::unique:
            return depth_of_unique(node);
        case Node::Kind::members:
            return depth_of(members[node.index]);
    }
    return kUnbounded;
}

uint32_t Grammar::depth_of_mix(const Node& node) const {
    const uint32_t first = plus(nodes[node.parts[0]].depth, 1);
    const uint32_t second = plus(nodes[node.parts[1]].depth, 1);
    const uint32_t n_items = std::max(node.min, node.min_first);
    if (node.min_first > node.max_first || n_items > node.max) return kUnbounded;
    uint32_t depth = node.min_first > 0 ? first : 0;
    if (n_items > node.min_first)
        depth = std::max(depth, n_items <= node.max_first ? std::min(first, second) : second);
    return depth;
}

uint32_t Grammar::depth_of_unique(const Node& node) const {
    if (node.min > std::min(node.max, uint32_t(node.parts.size()))) return kUnbounded;
    std::vector<uint32_t> depths{0};
    for (const NodeId part : node.parts) depths.push_back(plus(nodes[part].depth, 1));
    std::ranges::sort(depths);
    return depths[node.min];
}

Members::Offer Grammar::offer(const Members& all, uint32_t depth, bool all_of_them) const {
    const auto n = uint32_t(all.properties.size());
    Members::Offer out{{}, std::vector<uint32_t>(n + 1), 0};
    std::vector<bool> forbidden(n);
    for (uint32_t i = n; i > 0; i--) {
        const Members::Property& property = all.properties[i - 1];
        const uint32_t value = nodes[property.value].depth;
        const bool demanded = property.required || all.min > all.n_required[0];
        forbidden[i - 1] = value == kUnbounded || (!all_of_them && (value >= depth || !demanded));
        out.n_from[i - 1] = out.n_from[i] + !forbidden[i - 1];
        if (!forbidden[i - 1]) out.depth = std::max(out.depth, value);
    }
    out.names = KeysBelow(all.names, forbidden);
    return out;
}

/// `depth`: that of the node, hence one more than that of the deepest value it needs.
void Grammar::prepare(Members& all, uint32_t depth) {
    const auto n = uint32_t(all.properties.size());
    all.next_required.assign(n + 1, n);
    all.n_required.assign(n + 1, 0);
    for (uint32_t i = n; i > 0; i--) {
        const bool required = all.properties[i - 1].required;
        all.next_required[i - 1] = required ? i - 1 : all.next_required[i];
        all.n_required[i - 1] = all.n_required[i] + required;
    }
    for (const Members::Others& each : all.others)
        all.others_depth = std::min(all.others_depth, nodes[each.value].depth);
    all.all = offer(all, depth, true);
    if (all.all.depth >= depth) all.shallow = offer(all, depth, false);
}

size_t Grammar::n_bytes() const {
    size_t n = nodes.capacity() * sizeof(Node);
    for (const Node& node : nodes) n += node.parts.capacity() * sizeof(NodeId);
    for (const Members& all : members) {
        n += sizeof all + all.properties.capacity() * sizeof(Members::Property) +
             all.others.capacity() * sizeof(Members::Others) + all.names.n_bytes();
        for (const auto* counts :
             {&all.next_required, &all.n_required, &all.all.n_from, &all.shallow.n_from})
            n += counts->capacity() * sizeof(uint32_t);
        for (const Members::Offer* offer : {&all.all, &all.shallow}) n += offer->names.n_bytes();
    }
    return n;
}

void Grammar::finish() {
    for (Node& node : nodes)
        if (node.kind == Node::Kind::text && languages.is_empty(node.language))
            node.language = Languages::kNothing;
    for (Members& all : members)
        std::erase_if(all.others, [&](const auto& each) { return languages.is_empty(each.name); });
    // The least fixed point: depths only fall, each at most as often as there are nodes above it.
    std::vector<std::vector<NodeId>> users(nodes.size());
    auto note = [&](NodeId user, NodeId part) {
        if (part != kNoNode) users[part].push_back(user);
    };
    for (NodeId id = 0; id < nodes.size(); id++) {
        for (const NodeId part : nodes[id].parts) note(id, part);
        if (nodes[id].kind != Node::Kind::members) continue;
        const Members& all = members[nodes[id].index];
        for (const auto& property : all.properties) note(id, property.value);
        for (const auto& others : all.others) note(id, others.value);
    }
    std::vector<NodeId> work(nodes.size());
    for (NodeId id = 0; id < nodes.size(); id++) work[nodes.size() - 1 - id] = id;
    while (!work.empty()) {
        const NodeId id = work.back();
        work.pop_back();
        const uint32_t depth = depth_of(nodes[id]);
        if (depth >= nodes[id].depth) continue;
        nodes[id].depth = depth;
        work.insert(work.end(), users[id].begin(), users[id].end());
    }
    for (const Node& node : nodes)
        if (node.kind == Node::Kind::members) prepare(members[node.index], node.depth);
    if (nodes[root].depth > kMaxDepth) throw GrammarError("no text is possible");
}

}  // namespace qwend::grammar
