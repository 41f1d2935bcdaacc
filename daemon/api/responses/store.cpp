#include "daemon/api/responses/store.h"

#include <utility>

namespace qwend {

size_t StoredResponse::n_bytes() const {
    constexpr size_t kBeside = 1024;  // strings' rests, and what finds it
    return kBeside + id.size() + previous_id.size() + (input ? input->size() : 0) +
           (head ? head->size() : 0) + output.size() + tail.size();
}

std::string StoredResponse::object() const {
    std::string whole;
    whole.reserve(head->size() + output.size() + tail.size());
    return whole.append(*head).append(output).append(tail);
}

/// What another thread reads does not change: it keeps what there was, and the next change is made
/// to a copy.
ResponseTable& ResponseStore::writable() {
    if (table_.use_count() > 1) table_ = std::make_shared<ResponseTable>(*table_);
    return *table_;
}

/// The newest of a conversation becomes the least recent of it: should they have to go, then in the
/// order that leaves no half of one.
void ResponseStore::use(std::string_view id) {
    for (auto found = table_->find(id); found != table_->end();
         found = table_->find(found->second->previous_id))
        order_.splice(order_.end(), order_, places_.find(found->first)->second);
}

void ResponseStore::keep(StoredResponse response) {
    const size_t n_bytes = response.n_bytes();
    if (n_bytes > max_bytes_) return use(response.previous_id);
    const std::string id = response.id;
    erase(id);
    n_bytes_ += n_bytes;
    places_[id] = order_.insert(order_.end(), id);
    writable()[id] = std::make_shared<const StoredResponse>(std::move(response));
    use(id);
    while (n_bytes_ > max_bytes_ || table_->size() > kMaxResponses)
        erase(std::string(order_.front()));
}

StoredResponsePtr ResponseStore::find(std::string_view id) {
    const auto found = table_->find(id);
    if (found == table_->end()) return nullptr;
    const StoredResponsePtr response = found->second;
    use(id);
    return response;
}

bool ResponseStore::erase(std::string_view id) {
    const auto place = places_.find(id);
    if (place == places_.end()) return false;
    ResponseTable& table = writable();
    const auto found = table.find(id);
    n_bytes_ -= found->second->n_bytes();
    order_.erase(place->second);
    places_.erase(place);
    table.erase(found);
    return true;
}

}  // namespace qwend
