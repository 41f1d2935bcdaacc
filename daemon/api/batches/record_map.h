#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace qwend {

/// Which part of a list is asked for.
struct PageQuery {
    size_t limit = 20;
    bool newest_first = true;
    std::string after;  // the id before the page; empty: it begins the list
};

/// Records with an `id` and a `created_at`, by id and in order of their making: those of one second
/// by their ids, which make_record_id() makes in that order.
template <class Record>
class RecordMap {
  public:
    Record* find(std::string_view id) {
        const auto key = keys_.find(std::string(id));
        return key == keys_.end() ? nullptr : &records_.at(key->second);
    }
    Record& add(Record record) {
        erase(record.id);
        const Key key{record.created_at, record.id};
        keys_[record.id] = key;
        return records_[key] = std::move(record);
    }
    void erase(std::string_view id) {
        const auto key = keys_.find(std::string(id));
        if (key == keys_.end()) return;
        records_.erase(key->second);
        keys_.erase(key);
    }
    size_t size() const { return records_.size(); }

    struct Page {
        std::vector<const Record*> records;
        bool has_more = false;
    };
    /// The records that `wanted` wants; an id to begin after that is unknown begins nowhere.
    template <class Wanted>
    Page page(const PageQuery& query, const Wanted& wanted) const {
        Page page;
        const auto take = [&](const Record& record) {
            if (!wanted(record)) return true;
            page.has_more = page.records.size() == query.limit;
            if (!page.has_more) page.records.push_back(&record);
            return !page.has_more;
        };
        const auto after = keys_.find(query.after);
        if (!query.after.empty() && after == keys_.end()) return page;
        if (query.newest_first) {
            auto at = query.after.empty() ? records_.end() : records_.find(after->second);
            while (at != records_.begin() && take((--at)->second)) {
            }
        } else {
            auto at =
                query.after.empty() ? records_.begin() : std::next(records_.find(after->second));
            for (; at != records_.end() && take(at->second); ++at) {
            }
        }
        return page;
    }

    auto begin() { return records_.begin(); }
    auto end() { return records_.end(); }

  private:
    using Key = std::pair<int64_t, std::string>;
    std::map<Key, Record> records_;
    std::unordered_map<std::string, Key> keys_;
};

}  // namespace qwend
