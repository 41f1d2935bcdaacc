// Tokens per second on one core, encoding. usage: bench-tokenizer CHECKPOINT

#include <fmt/core.h>

#include <chrono>
#include <string>

#include "model/text/tokenizer.h"

namespace {

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// A text of about `size` bytes in which words repeat as they do in prose.
std::string prose(const std::string& vocabulary, size_t size) {
    std::string text;
    uint64_t state = 1;
    while (text.size() < size) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t at = size_t(state >> 33) * (state >> 33) % vocabulary.size();
        at = vocabulary.rfind(' ', at) == std::string::npos ? 0 : vocabulary.rfind(' ', at);
        text += vocabulary.substr(at, 40);
    }
    return text;
}

void measure(const qwend::Tokenizer& tokenizer, const char* name, const std::string& text) {
    size_t n_tokens = 0, n_bytes = 0;
    const double began = seconds();
    double now = began;
    for (; now - began < 0.5; now = seconds()) {
        n_tokens += tokenizer.encode_with_added_tokens(text).size();
        n_bytes += text.size();
    }
    fmt::print("tokenizer  {:28} {:7.2f} M tokens/s {:7.1f} ns/byte\n", name,
               double(n_tokens) / (now - began) * 1e-6, (now - began) / double(n_bytes) * 1e9);
}

std::string repeat(const std::string& unit, size_t size) {
    std::string text;
    while (text.size() < size) text += unit;
    return text;
}

std::string random_letters(size_t size) {
    std::string text;
    for (uint64_t state = 1; text.size() < size;) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        text += char('a' + (state >> 33) % 26);
    }
    return text;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 64;
    const double began = seconds();
    const qwend::Tokenizer tokenizer = qwend::Tokenizer::load(argv[1]);
    fmt::print("tokenizer  load {:.3f} s, {} ids\n", seconds() - began, tokenizer.size());
    const std::string english =
        "The scheduler decides which requests run in the next step. A prompt is computed in "
        "chunks, "
        "so that answers under way are never held up for long; what is finished may be found again "
        "by its content. Everybody who has operated a server knows that a queue without a limit is "
        "a promise nobody can keep, and that the first sign of trouble is silence. ";
    const std::string chinese =
        "调度器 决定 下一步 运行 哪些 请求。提示词 会 分块 计算，这样 正在 进行 的 回答 不会 被 "
        "长时间 "
        "阻塞；已经 完成 的 部分 可以 按 内容 再次 找到。";
    measure(tokenizer, "English prose", prose(english, 200'000));
    measure(tokenizer, "Chinese prose", prose(chinese, 200'000));
    // What is hardest: the cost of a byte is what a client can make a prompt cost.
    measure(tokenizer, "1 MB of one letter", std::string(1'000'000, 'a'));
    measure(tokenizer, "a word of 1 MB", random_letters(1'000'000));
    measure(tokenizer, "1 MB of spaces", std::string(1'000'000, ' '));
    measure(tokenizer, "1 MB of combining marks", "a" + repeat("\u0300\u0323", 1'000'000));
    measure(tokenizer, "1 MB of <|im_start", repeat("<|im_start", 1'000'000));
}
