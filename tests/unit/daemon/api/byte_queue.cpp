#include "daemon/api/byte_queue.h"

#include <doctest/doctest.h>

#include <random>
#include <utility>

using namespace qwend;

namespace {

std::string random_bytes(std::mt19937& random) {
    const size_t n = random() % 5 == 0 ? random() % 5000 : random() % 20;
    std::string bytes(n, 0);
    for (char& c : bytes) c = char('a' + random() % 26);
    return bytes;
}

/// Puts bytes into both in one of the ways there are.
void append_any(ByteQueue& queue, std::string& twin, std::mt19937& random, int depth = 0) {
    std::string bytes = random_bytes(random);
    switch (random() % 5) {
        case 0:
            queue.append(std::string_view(bytes));
            break;
        case 1:
            queue.append(bytes.c_str());
            break;
        case 2:
            queue.append(std::string(bytes));
            break;
        case 3:
            queue.append(std::make_shared<const std::string>(bytes));
            break;
        default: {
            ByteQueue other;
            bytes.clear();
            for (int i = int(random() % 4); depth < 2 && i > 0; i--)
                append_any(other, bytes, random, depth + 1);
            std::string taken;
            other.take(taken, random() % (bytes.size() + 2));
            bytes.erase(0, taken.size());
            queue.append(std::move(other));
            CHECK(other.empty());
        }
    }
    twin += bytes;
}

}  // namespace

TEST_CASE("byte_queue: gives what was put in, in any parts") {
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 300; round++) {
        ByteQueue queue;
        std::string twin, out, expected;
        for (int i = 0; i < 60; i++) {
            if (random() % 3 > 0) append_any(queue, twin, random);
            REQUIRE(queue.size() == twin.size());
            CHECK(queue.n_owned() <= queue.size());
            if (random() % 3 > 0) continue;
            const size_t most = random() % 3000;
            expected += twin.substr(0, most);
            twin.erase(0, most);
            queue.take(out, most);
        }
        queue.take(out, ~size_t{0});
        CHECK(queue.empty());
        CHECK(queue.n_owned() == 0);
        CHECK(out == expected + twin);
    }
}

TEST_CASE("byte_queue: what is shared is not owned") {
    ByteQueue queue;
    queue.append("1").append(std::make_shared<const std::string>(1000, 'x')).append("2");
    queue.append(ByteQueue::Shared());
    CHECK(queue.size() == 1002);
    CHECK(queue.n_owned() == 2);
}

TEST_CASE("byte_queue: pieces that are shared come in their order") {
    const auto a = std::make_shared<const std::string>("ab"), b = a;
    ByteQueue queue;
    queue.append("<").append(std::vector<ByteQueue::Shared>{a, nullptr, b}).append(">");
    CHECK(queue.size() == 6);
    CHECK(queue.n_owned() == 2);
    std::string out;
    queue.take(out, 100);
    CHECK(out == "<abab>");
}
