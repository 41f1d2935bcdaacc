#pragma once

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "daemon/api/answer_renderer.h"
#include "tests/unit/daemon/api/token_events.h"

namespace qwend {

/// A dialect as the contract of AnswerRenderer sees it: how its answers are made in either form,
/// and what a client reads out of their bytes.
struct Dialect {
    std::function<MakeRenderer(bool is_stream)> make;
    /// All that an answer says of its choices, in words that are the same for both forms.
    std::function<std::string(const std::string& bytes, bool is_stream, int n_choices)> read;
    /// Whether a client takes these bytes for an answer that is complete.
    std::function<bool(const std::string& bytes, bool is_stream)> is_whole;
    bool is_chat = false;  // has a conversation and its tools, else prompts that may be echoed
    bool has_one_choice = false;  // its requests cannot ask for more
    bool whole_calls = false;     // its streams have them whole too
};

struct Rendered {
    std::string bytes;
    std::string fault;       // the first that was found; or empty
    bool is_broken = false;  // a choice was abandoned
};

/// One answer on its way through a renderer.
class RenderedAnswer {
  public:
    RenderedAnswer(const MakeRenderer& make, bool is_stream, const ModelText& model,
                   Generation generation, std::vector<std::vector<int32_t>> prompts,
                   std::mt19937& random)
        : random_(random), choices_(model, std::move(generation), std::move(prompts)) {
        renderer_ = make(choices_);
        choices_.forget_texts();
        if (renderer_->form.is_stream != is_stream) complain("it has the other form");
    }

    /// Everything at random: whose event is next, when bytes are taken, and, where `abandoned` is
    /// a choice, when that one is abandoned; else it is negative.
    Rendered run(const Events& events, int abandoned) {
        std::vector<size_t> next(events.size());
        while (!choices_.done()) {
            const size_t i = random_() % events.size();
            if (choices_.at(int(i)).done()) continue;
            if (int(i) == abandoned && (random_() % 4 == 0 || next[i] + 1 == events[i].size()))
                choices_.at(int(i)).abandon();
            else
                choices_.on_event(int(i), events[i][next[i]++]);
            if (random_() % 3 == 0) write();
        }
        for (int n = 0; !write_round() && fault_.empty(); n++)
            if (n > choices_.size()) complain("it always has more to write");
        const size_t size = bytes_.size();
        if (!write() || bytes_.size() != size) complain("it writes beyond the end");
        if (abandoned < 0 && renderer_->n_waiting() != 0)
            complain("something waits beyond the end");
        // It may have ended before it could be abandoned.
        const bool is_broken = abandoned >= 0 && choices_.at(abandoned).abandoned();
        return {bytes_, fault_, is_broken};
    }

  private:
    /// A stream's choice has no more news here than kMostNews: a call that gives more has not
    /// stopped where it was enough. A document may give at once what has waited for its turn.
    bool write() {
        static constexpr size_t kMostNews = 600 << 10;
        const size_t waited = renderer_->n_waiting();
        ByteQueue out;
        const bool complete = renderer_->write(choices_, out);
        if (out.n_owned() > waited + AnswerRenderer::kEnoughBytes + kMostNews ||
            (renderer_->form.is_stream && out.size() > AnswerRenderer::kEnoughBytes + kMostNews))
            complain("a call writes without a bound");
        if (!complete && out.size() < AnswerRenderer::kEnoughBytes)
            complain("it stops before it is enough");
        out.take(bytes_, out.size());
        stopped_ = !complete;
        return complete;
    }
    /// Whether a call has come to the last choice that began with the first: one that goes on where
    /// the call before it stopped has not seen what came to the others meanwhile.
    bool write_round() {
        const bool from_first = !stopped_;
        return write() && from_first;
    }
    void complain(const char* fault) {
        if (fault_.empty()) fault_ = fault;
    }

    std::mt19937& random_;
    Choices choices_;
    std::unique_ptr<AnswerRenderer> renderer_;
    std::string bytes_, fault_;
    bool stopped_ = false;  // the last call, before the last choice
};

/// A generation, its prompts as ids and what comes of it, all at random, of a model that reasons or
/// of one that does not. A call that the end cuts is in none, since a stream may have sent a part
/// of it, which a document has as text.
struct RandomGeneration {
    const ModelText* model = &demo();
    Generation generation;
    std::vector<std::vector<int32_t>> prompts;
    Events events;

    RandomGeneration(const Dialect& dialect, std::mt19937& random) {
        const auto chance = [&](unsigned of) { return random() % of == 0; };
        const bool is_chat = dialect.is_chat, has_one = dialect.has_one_choice;
        generation.n = has_one ? 1 : 1 + int(random() % 3);
        if (chance(2)) generation.sampling.n_logprobs = int(random() % 3);
        if (chance(3)) generation.stops = {"你", "b"};
        generation.return_token_ids = chance(2);
        if (is_chat && chance(2)) generation.chat_options.tools = {"{}"};
        if (is_chat && chance(2))
            model = &with_reasoning(chance(2) ? ToolFormat::hermes : ToolFormat::qwen3_coder);
        generation.split_reasoning = is_chat;
        generation.begins_in_reasoning = is_chat && chance(3);
        prompts.resize(is_chat || has_one ? 1 : 1 + random() % 3, {5, 6, 7});
        if (!is_chat) generation.prompts.resize(prompts.size(), "a prompt");
        generation.echo = !is_chat && !has_one && chance(2);
        if (generation.echo && chance(2))
            generation.n_prompt_logprobs = generation.sampling.n_logprobs;
        // What many choices repeat of long prompts is what has to come in parts.
        if (generation.echo && chance(4)) {
            generation.n = 12;
            for (Prompt& prompt : generation.prompts) prompt = std::string(100'000, '\x01');
        }
        static const std::vector<std::string> parts = {"Hello, ",
                                                       "你好",
                                                       "🙂 ",
                                                       " a b",
                                                       "\n\n",
                                                       "\"",
                                                       tool_call("{\"x\": 1}"),
                                                       tool_call("{}"),
                                                       coder_call("x", "a \"c\"\n"),
                                                       coder_call("y", "{\"x\": [1]}")};
        for (size_t i = 0; i < prompts.size() * size_t(generation.n); i++) {
            std::string text;
            if (chance(2)) text = "<think>\nhm 你\n</think>\n\n";
            if (chance(4)) text = "never mind\n";
            for (size_t n = random() % 6; n > 0; n--) text += parts[random() % parts.size()];
            events.push_back(events_of(ids_of(text + "."),
                                       chance(2) ? FinishReason::length : FinishReason::abort,
                                       std::max(0, generation.sampling.n_logprobs)));
            if (generation.n_prompt_logprobs < 0 || i % size_t(generation.n) != 0) continue;
            const auto scores = scores_of(prompts[0], generation.n_prompt_logprobs, 1);
            events.back().insert(events.back().begin(), scores.begin(), scores.end());
        }
    }
};

/// Puts a dialect through the contract of AnswerRenderer, with random answers: a stream and a
/// document say the same, as often as they are made; nothing follows the end; an answer of which a
/// choice was abandoned has none; and every call of write() is bounded. What it breaks, or nothing.
inline std::string fault_of(const Dialect& dialect, int n_rounds) {
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < n_rounds; round++) {
        const RandomGeneration any(dialect, random);
        const int n = int(any.events.size());
        std::string said;
        for (const bool is_stream : {true, false, true}) {
            const auto render = [&](int abandoned) {
                Generation generation = any.generation;
                generation.whole_calls = !is_stream || dialect.whole_calls;
                RenderedAnswer answer(dialect.make(is_stream), is_stream, *any.model,
                                      std::move(generation), any.prompts, random);
                return answer.run(any.events, abandoned);
            };
            const Rendered whole = render(-1);
            if (!whole.fault.empty()) return whole.fault;
            if (!dialect.is_whole(whole.bytes, is_stream)) return "an answer has no end";
            const std::string read = dialect.read(whole.bytes, is_stream, n);
            if (read.empty()) return "an answer says nothing";
            if (!said.empty() && read != said) return "two answers differ: " + said + " | " + read;
            said = read;
            const Rendered broken = render(int(random() % unsigned(n)));
            if (!broken.fault.empty()) return broken.fault + ", of a broken answer";
            if (broken.is_broken && dialect.is_whole(broken.bytes, is_stream))
                return "a broken answer has an end";
        }
    }
    return {};
}

}  // namespace qwend
