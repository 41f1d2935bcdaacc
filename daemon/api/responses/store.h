#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/api/byte_queue.h"

namespace qwend {

/// A response that is complete, as JSON.
struct StoredResponse {
    std::string id, previous_id;  // previous_id empty: it began a conversation
    ByteQueue::Shared input;      // the request's `input`: a string or an array of items
    ByteQueue::Shared head;       // the object up to the elements of its `output`,
    std::string output;           // these,
    std::string tail;             // and the rest

    std::string object() const;
    size_t n_bytes() const;
};
using StoredResponsePtr = std::shared_ptr<const StoredResponse>;
using ResponseTable = std::map<std::string, StoredResponsePtr, std::less<>>;

/// Responses that can be asked for again, or be gone on from: in memory, in so many bytes, the
/// least recently used out first. Each has only what was new with it, so that one whose predecessor
/// has left cannot be gone on from either: using one is using all that came before it. Loop thread.
class ResponseStore {
  public:
    static constexpr size_t kMaxResponses = 1024;

    /// 0: nothing is kept.
    explicit ResponseStore(size_t max_bytes) : max_bytes_(max_bytes) {}

    bool keeps_any() const { return max_bytes_ > 0; }
    /// One that is larger than all that may be kept is not.
    void keep(StoredResponse response);
    /// nullptr: there is none, or no more.
    StoredResponsePtr find(std::string_view id);
    bool erase(std::string_view id);

    /// All that there is now, for another thread to read, which hands it back on the loop.
    std::shared_ptr<const ResponseTable> table() const { return table_; }
    size_t n_bytes() const { return n_bytes_; }

  private:
    ResponseTable& writable();
    void use(std::string_view id);

    const size_t max_bytes_;
    size_t n_bytes_ = 0;
    std::shared_ptr<ResponseTable> table_ = std::make_shared<ResponseTable>();
    std::list<std::string> order_;  // of ids, the least recently used first
    std::map<std::string, std::list<std::string>::iterator, std::less<>> places_;  // in it
};

}  // namespace qwend
