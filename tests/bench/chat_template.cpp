// What a prompt costs before it is tokens: chats of some turns and tools, rendered by a
// checkpoint's template. usage: bench-chat_template CHECKPOINT [TEMPLATE]

#include <fmt/core.h>

#include <ctime>
#include <string>

#include "model/text/chat.h"

namespace {

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

std::vector<qwend::ChatMessage> conversation(int n_turns, bool has_tools, size_t size) {
    std::string words;
    while (words.size() < size) words += "Words of a \"message\", some of them\nin lines. ";
    std::vector<qwend::ChatMessage> messages = {{"system", "Be brief.", {}}};
    for (int i = 0; i < n_turns; i++) {
        messages.push_back({i % 2 == 0 ? "user" : "assistant", words, {}});
        if (has_tools && i % 4 == 1)
            messages.back().tool_calls = {{"lookup", R"({"city":"Łódź","days":[1,2,3]})"}};
    }
    return messages;
}

constexpr const char* kTool =
    R"({"type":"function","function":{"name":"lookup","description":"Looks up the weather of a )"
    R"(city, now or in some days.","parameters":{"type":"object","properties":{"city":{"type":)"
    R"("string","description":"Its name, \"City, Country\""},"days":{"type":"array","items":)"
    R"({"type":"integer","minimum":0}},"unit":{"type":"string","enum":["C","F"]}},)"
    R"("required":["city"]}}})";

void measure(const qwend::ChatTemplate& chat_template, int n_turns, int n_tools, size_t size) {
    const auto messages = conversation(n_turns, n_tools > 0, size);
    qwend::ChatOptions options;
    options.tools.assign(size_t(n_tools), kTool);
    int n = 0;
    size_t n_bytes = 0;
    const double began = cpu_seconds();
    double now = began;
    for (; now - began < 0.5; now = cpu_seconds(), n++) {
        const auto result = qwend::render_chat(chat_template, messages, options);
        if (!result.error.empty()) fmt::print("{}\n", result.error);
        n_bytes = result.prompt.text.size();
    }
    fmt::print("template   {:3} turns, {:2} tools, {:7} bytes {:8.3f} ms {:6.1f} ns/byte\n",
               n_turns, n_tools, n_bytes, (now - began) / n * 1e3,
               (now - began) / n / double(n_bytes) * 1e9);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return 64;
    const auto chat_template = qwend::load_chat_template(argv[1], argc > 2 ? argv[2] : "");
    measure(chat_template, 1, 0, 40);
    measure(chat_template, 20, 0, 400);
    measure(chat_template, 20, 30, 400);
    measure(chat_template, 400, 30, 400);
    measure(chat_template, 20, 30, 50'000);
    return 0;
}
