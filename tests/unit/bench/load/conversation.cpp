#include "tests/bench/load/conversation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/json_document.h"
#include "tests/bench/load/lengths.h"

using namespace qwend;
using namespace qwend::load;

namespace {

/// A member of a body as JSON; "" if it has none.
std::string member_of(const std::string& body, const char* name) {
    JsonDocument document;
    REQUIRE(!document.parse(body));
    REQUIRE(document.find_duplicate() == "");
    const auto value = document.root().member(name);
    return value ? std::string(value->raw()) : "";
}

std::vector<std::string> elements_of(const std::string& array) {
    JsonDocument document;
    REQUIRE(!document.parse(array));
    std::vector<std::string> elements;
    for (const JsonValue& value : document.root().elements()) elements.emplace_back(value.raw());
    return elements;
}

std::vector<std::string> ids_of(const Conversation& conversation) {
    return elements_of(member_of(conversation.body(), "prompt"));
}

LoadOptions options_of(Api api, int input_len = 5) {
    LoadOptions options;
    options.api = api;
    options.input_len = Lengths::fixed(input_len);
    options.output_len = Lengths::fixed(9);
    return options;
}

}  // namespace

TEST_CASE("conversation: a body of ids") {
    const LoadOptions options = options_of(Api::ids, 200);
    const Conversation conversation(options, "", 1);
    const auto ids = ids_of(conversation);
    CHECK(ids.size() == 200);
    for (const std::string& id : ids) {
        CHECK(std::stoi(id) >= 100);
        CHECK(std::stoi(id) < options.vocab);
    }
    const std::string body = conversation.body();
    CHECK(member_of(body, "max_tokens") == "9");
    CHECK(member_of(body, "temperature") == "0");
    CHECK(member_of(body, "ignore_eos") == "true");
    CHECK(member_of(body, "stream") == "true");
    CHECK(member_of(body, "stream_options") == R"({"include_usage":true})");
    CHECK(member_of(body, "seed") != "");
    CHECK(member_of(body, "model") == "");
    CHECK(member_of(body, "return_token_ids") == "");
    CHECK(conversation.n_turns_left() == 1);
}

TEST_CASE("conversation: no seed, no ignore_eos, a model") {
    LoadOptions options = options_of(Api::text);
    options.sends_seed = options.ignores_eos = false;
    options.model = "a \"b\"";
    const std::string body = Conversation(options, "", 1).body();
    CHECK(member_of(body, "seed") == "");
    CHECK(member_of(body, "ignore_eos") == "");
    CHECK(member_of(body, "model") == R"("a \"b\"")");
}

TEST_CASE("conversation: what the user adds is added, and takes the place of ours") {
    LoadOptions options = options_of(Api::ids);
    options.extra_body = {{"top_k", "20"}, {"max_tokens", "3"}, {"stream_options", "null"}};
    const std::string body = Conversation(options, "", 1).body();
    CHECK(member_of(body, "top_k") == "20");
    CHECK(member_of(body, "max_tokens") == "3");
    CHECK(member_of(body, "stream_options") == "null");
}

TEST_CASE("conversation: text is as many words") {
    const LoadOptions options = options_of(Api::text, 3);
    const std::string prompt = member_of(Conversation(options, "", 1).body(), "prompt");
    CHECK(std::count(prompt.begin(), prompt.end(), ' ') == 2);
}

TEST_CASE("conversation: ids that are answered go before the next turn's") {
    LoadOptions options = options_of(Api::ids);
    options.turns = 2;
    Conversation conversation(options, "", 1);
    CHECK(member_of(conversation.body(), "return_token_ids") == "true");
    auto expected = ids_of(conversation);
    REQUIRE(conversation.go_on("7,8"));
    CHECK(conversation.n_turns_left() == 1);
    const auto second = ids_of(conversation);
    expected.insert(expected.end(), {"7", "8"});
    REQUIRE(second.size() == 12);
    CHECK(std::vector<std::string>(second.begin(), second.begin() + 7) == expected);
    const std::string last = conversation.body();
    CHECK(!conversation.go_on("9"));
    CHECK(conversation.body() == last);
}

TEST_CASE("conversation: text that is answered, escaped as it came") {
    LoadOptions options = options_of(Api::text);
    options.turns = 2;
    Conversation conversation(options, "", 1);
    std::string expected = member_of(conversation.body(), "prompt");
    expected.pop_back();
    REQUIRE(conversation.go_on(R"( an \"answer\"\n)"));
    expected += R"( an \"answer\"\n )";
    CHECK(member_of(conversation.body(), "prompt").starts_with(expected));
}

TEST_CASE("conversation: a chat has all that was said") {
    LoadOptions options = options_of(Api::chat);
    options.turns = 3;
    Conversation conversation(options, "", 1);
    REQUIRE(conversation.go_on("One."));
    REQUIRE(conversation.go_on("Two."));
    const auto messages = elements_of(member_of(conversation.body(), "messages"));
    REQUIRE(messages.size() == 5);
    for (size_t i : {0, 2, 4}) CHECK(member_of(messages[i], "role") == R"("user")");
    CHECK(messages[1] == R"({"role":"assistant","content":"One."})");
    CHECK(messages[3] == R"({"role":"assistant","content":"Two."})");
    CHECK(messages[2] != messages[4]);
}

TEST_CASE("conversation: groups share their prefix and nothing else") {
    LoadOptions options = options_of(Api::ids, 20);
    options.prefix_len = 30;
    options.num_prefixes = 3;
    std::set<std::vector<std::string>> prefixes, rests;
    for (const Conversation& conversation : draw_conversations(options, 9, 1)) {
        const auto ids = ids_of(conversation);
        REQUIRE(ids.size() == 50);
        prefixes.emplace(ids.begin(), ids.begin() + 30);
        rests.emplace(ids.begin() + 30, ids.end());
    }
    CHECK(prefixes.size() == 3);
    CHECK(rests.size() == 9);
    const auto first = ids_of(draw_conversations(options, 1, 0)[0]);  // of another stream
    CHECK(prefixes.count({first.begin(), first.begin() + 30}) == 1);
    CHECK(rests.count({first.begin() + 30, first.end()}) == 0);
}

TEST_CASE("conversation: prefixes of words and of chats end in a space") {
    for (Api api : {Api::text, Api::chat}) {
        LoadOptions options = options_of(api, 4);
        options.prefix_len = 3;
        const std::string body = draw_conversations(options, 1, 1)[0].body();
        const std::string key = api == Api::chat ? R"("content":")" : R"("prompt":")";
        const size_t begin = body.find(key) + key.size();
        const std::string said = body.substr(begin, body.find('"', begin) - begin);
        CHECK(std::count(said.begin(), said.end(), ' ') == 6);
    }
}

TEST_CASE("conversation: the seed and the stream decide all") {
    LoadOptions options = options_of(Api::ids);
    options.output_len = Lengths::uniform(1, 100000);
    const auto bodies = [&](uint64_t seed, uint64_t stream) {
        options.seed = seed;
        std::vector<std::string> made;
        for (const Conversation& c : draw_conversations(options, 5, stream))
            made.push_back(c.body());
        return made;
    };
    CHECK(bodies(1, 1) == bodies(1, 1));
    CHECK(bodies(1, 1) != bodies(2, 1));
    CHECK(bodies(1, 1) != bodies(1, 0));
    const auto few = bodies(1, 1);
    options.num_prompts++;  // a sweep's next run
    CHECK(bodies(1, 1)[0] != few[0]);
}
