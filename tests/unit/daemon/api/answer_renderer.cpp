// The conformance test of renderers finds what it is there to find, in a dialect made up for it.

#include "daemon/api/answer_renderer.h"

#include <doctest/doctest.h>

#include <utility>

#include "tests/unit/daemon/api/renderer_conformance.h"

using namespace qwend;

namespace {

enum class Fault {
    none,
    loses_text,        // of a choice whose text comes in more than one call
    swaps_choices,     // a document's, that come in the order of their ends
    never_ends,        //
    ends_twice,        //
    ends_when_broken,  // as if nothing had been abandoned
    unbounded,         // however much there is, in one call
    always_more,       //
    stops_early,       // before it is enough
    keeps_waiting,     // counts what it has written as waiting
};

/// A stream is "<index>:<text>;" for each part, a document "<index>:<text>;" for each choice; "."
/// is the end of both, and what is echoed of a prompt comes first.
class LineRenderer final : public AnswerRenderer {
  public:
    LineRenderer(bool is_stream, Fault fault, const Choices& choices)
        : AnswerRenderer({is_stream, "text/plain", {}}),
          fault_(fault),
          texts_(size_t(choices.size())),
          written_(texts_.size()) {
        for (int i = 0; i < choices.size(); i++) {
            const Generation& generation = choices.generation();
            if (!generation.echo) continue;
            echoed_.push_back(std::make_shared<std::string>(
                std::get<std::string>(generation.prompts[choices.prompt_index(i)])));
        }
    }

    bool write(Choices& choices, ByteQueue& out) override {
        for (int i = std::exchange(next_, 0); i < choices.size(); i++) {
            form.is_stream ? write_part(choices, i, out) : draft(choices, i);
            const bool enough = out.size() >= kEnoughBytes || fault_ == Fault::stops_early;
            if (form.is_stream && enough && i + 1 < choices.size() && fault_ != Fault::unbounded) {
                next_ = i + 1;
                return false;
            }
        }
        if (!form.is_stream && choices.done()) write_document(choices, out);
        end(choices, out);
        return fault_ != Fault::always_more;
    }
    size_t n_waiting() const override {
        size_t n = fault_ == Fault::keeps_waiting;
        for (const std::string& text : texts_) n += text.size();
        return form.is_stream ? 0 : n;
    }
    std::string error_event(const ApiError&) override { return "!"; }

  private:
    void open(int index, ByteQueue& out) {
        out.append(std::to_string(index) + ":");
        if (!written_[size_t(index)] && !echoed_.empty()) out.append(echoed_[size_t(index)]);
        written_[size_t(index)] = true;
    }
    void write_part(Choices& choices, int i, ByteQueue& out) {
        if (choices.at(i).n_tokens() == 0) return;
        const std::string text = text_of(choices.at(i).take());
        if (text.empty() && written_[size_t(i)]) return;
        const bool lost = written_[size_t(i)] && fault_ == Fault::loses_text;
        open(i, out);
        out.append(lost ? ";" : text + ";");
    }
    void draft(Choices& choices, int i) {
        texts_[size_t(i)] += text_of(choices.at(i).take());
        if (choices.at(i).done() && !std::count(ended_in_.begin(), ended_in_.end(), i))
            ended_in_.push_back(i);
    }
    void write_document(const Choices& choices, ByteQueue& out) {
        if (std::exchange(has_document_, true)) return;
        if (fault_ != Fault::swaps_choices) std::sort(ended_in_.begin(), ended_in_.end());
        for (int i = 0; i < choices.size(); i++) {
            const int who = ended_in_[size_t(i)];
            open(i, out);
            out.append(std::exchange(texts_[size_t(who)], {}) + ";");
        }
    }
    void end(const Choices& choices, ByteQueue& out) {
        bool broken = !choices.done();
        for (int i = 0; i < choices.size(); i++) broken |= choices.at(i).abandoned();
        if (fault_ == Fault::never_ends || (ended_ && fault_ != Fault::ends_twice)) return;
        if (broken && !(choices.done() && fault_ == Fault::ends_when_broken)) return;
        ended_ = true;
        out.append(".");
    }
    static std::string text_of(const ChoicePart& part) {
        std::string text = part.text;
        std::replace(text.begin(), text.end(), ';', ',');
        std::replace(text.begin(), text.end(), '.', ',');
        return text;
    }

    const Fault fault_;
    std::vector<ByteQueue::Shared> echoed_;  // before each choice
    std::vector<std::string> texts_;         // of a document's choices
    std::vector<bool> written_;
    std::vector<int> ended_in_;  // the choices in the order of their ends
    int next_ = 0;
    bool has_document_ = false, ended_ = false;
};

Dialect dialect(Fault fault) {
    Dialect lines;
    lines.make = [fault](bool is_stream) -> MakeRenderer {
        return [=](const Choices& choices) {
            return std::make_unique<LineRenderer>(is_stream, fault, choices);
        };
    };
    lines.is_whole = [](const std::string& bytes, bool) { return bytes.ends_with("."); };
    lines.read = [](const std::string& bytes, bool, int n) {
        std::vector<std::string> texts(size_t(n), "");
        for (size_t at = 0, end; (end = bytes.find(';', at)) != std::string::npos; at = end + 1) {
            const size_t colon = bytes.find(':', at);
            texts[std::stoul(bytes.substr(at))] += bytes.substr(colon + 1, end - colon - 1);
        }
        std::string said;
        for (const std::string& text : texts) said += text + ";";
        return said;
    };
    return lines;
}

}  // namespace

TEST_CASE("answer_renderer: conformance finds nothing wrong with a dialect that keeps it") {
    CHECK(fault_of(dialect(Fault::none), 100) == "");
}

TEST_CASE("answer_renderer: conformance finds what a dialect breaks") {
    const auto found = [](Fault fault) { return fault_of(dialect(fault), 1000); };
    CHECK(found(Fault::loses_text).starts_with("two answers differ"));
    CHECK(found(Fault::swaps_choices).starts_with("two answers differ"));
    CHECK(found(Fault::never_ends) == "an answer has no end");
    CHECK(found(Fault::ends_twice) == "it writes beyond the end");
    CHECK(found(Fault::ends_when_broken) == "a broken answer has an end");
    CHECK(found(Fault::unbounded).starts_with("a call writes without a bound"));
    CHECK(found(Fault::always_more) == "it stops before it is enough");
    CHECK(found(Fault::stops_early) == "it stops before it is enough");
    CHECK(found(Fault::keeps_waiting) == "something waits beyond the end");
}
