#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace qwend::jinja {

/// What one rendering may use. A template is an operator's, but what it does depends on what a
/// client sends, and published templates were not written with this in mind.
struct Limits {
    size_t steps = 4'000'000;                // nodes evaluated, elements walked, 64 bytes scanned
    size_t depth = 600;                      // expressions, blocks and macros within each other
    size_t value_bytes = size_t(256) << 20;  // strings, lists and dicts that were ever made
    size_t output_bytes = size_t(64) << 20;
};

/// Ends a parse or a rendering. Thrown within the engine only; its two doors, Template::parse and
/// render, turn it into a value.
struct Failure {
    std::string message;
    int line = 0;            // of the template; 0: not known
    bool is_raised = false;  // by the template itself, with raise_exception
};

/// The memory of one rendering, which is given back as a whole, and its count of what it used. What
/// lies in it is never destroyed, so that no nesting of values is too deep to be given back, and
/// values may refer to each other in circles.
class Workspace {
  public:
    explicit Workspace(const Limits& limits = {}) : limits_(limits) {}
    Workspace(Workspace&&) = default;
    Workspace& operator=(Workspace&&) = default;

    const Limits& limits() const { return limits_; }

    void step() {
        if (++steps_ > limits_.steps) fail_steps();
    }
    /// Bytes that are looked at, one after the other.
    void scan(size_t bytes) {
        steps_ += 1 + bytes / 64;
        if (steps_ > limits_.steps) fail_steps();
    }
    /// Bytes that a value takes, wherever they lie.
    void take(size_t bytes) {
        if (bytes > limits_.value_bytes - taken_) fail_bytes();
        taken_ += bytes;
    }

    template <typename T, typename... Fields>
    T* make(Fields&&... fields) {
        static_assert(std::is_trivially_destructible_v<T>);
        return new (allocate(sizeof(T))) T{std::forward<Fields>(fields)...};
    }
    template <typename T>
    std::span<T> copy(std::span<const T> items) {
        static_assert(std::is_trivially_copyable_v<T>);
        if (items.empty()) return {};
        void* to = allocate(items.size_bytes());
        std::memcpy(to, items.data(), items.size_bytes());
        return {static_cast<T*>(to), items.size()};
    }
    std::string_view copy(std::string_view text) {
        const auto bytes = copy(std::span<const char>(text.data(), text.size()));
        return {bytes.data(), bytes.size()};
    }

    /// Counts a level of nesting for as long as it lives.
    class Level {
      public:
        explicit Level(Workspace& work) : work_(work) {
            if (++work_.depth_ > work_.limits_.depth) {
                work_.depth_--;
                work_.fail_depth();
            }
        }
        Level(const Level&) = delete;
        ~Level() { work_.depth_--; }

      private:
        Workspace& work_;
    };

  private:
    void* allocate(size_t bytes);
    [[noreturn]] void fail_steps() const;
    [[noreturn]] void fail_bytes() const;
    [[noreturn]] void fail_depth() const;

    Limits limits_;
    size_t steps_ = 0, depth_ = 0, taken_ = 0;
    std::vector<std::unique_ptr<char[]>> blocks_;
    char* free_ = nullptr;
    size_t n_free_ = 0;
};

}  // namespace qwend::jinja
