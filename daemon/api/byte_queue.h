#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// Bytes on their way out, in their order. Large ones are moved or shared, never copied but once,
/// when they are taken.
class ByteQueue {
  public:
    using Shared = std::shared_ptr<const std::string>;

    ByteQueue& append(std::string_view bytes);
    ByteQueue& append(const char* bytes) { return append(std::string_view(bytes)); }
    ByteQueue& append(std::string&& bytes);
    ByteQueue& append(Shared bytes);  // nullptr: nothing
    ByteQueue& append(const std::vector<Shared>& pieces);
    ByteQueue& append(ByteQueue&& queue);

    size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    size_t n_owned() const { return n_owned_; }  // bytes that are not shared

    /// Moves the first bytes, at most `most`, to the end of `out`.
    void take(std::string& out, size_t most);

  private:
    struct Piece {
        std::string own;
        Shared shared;
        std::string_view view() const { return shared ? std::string_view(*shared) : own; }
    };
    std::deque<Piece> pieces_;
    size_t begin_ = 0;  // bytes of the first piece that were taken
    size_t size_ = 0, n_owned_ = 0;
};

}  // namespace qwend
