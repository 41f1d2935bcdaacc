#include "daemon/api/openai/prompt_logprobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <span>
#include <utility>

#include "daemon/api/answer_renderer.h"
#include "daemon/api/json_writer.h"
#include "daemon/api/token_logprobs.h"

namespace qwend {

namespace {

/// "id":{logprob,rank,decoded_token}, as vLLM's.
void append_entry(std::string& out, const Tokenizer& tokenizer, int32_t token, float logprob,
                  int rank) {
    fmt::format_to(std::back_inserter(out), "\"{}\":{{\"logprob\":", token);
    append_logprob(out, logprob);
    fmt::format_to(std::back_inserter(out), ",\"rank\":{},\"decoded_token\":", rank);
    append_json_string(out, tokenizer.decode(std::span(&token, 1), false, false));
    out += '}';
}

/// The token that was given comes first; it is listed once, however likely it is.
void append_scored(std::string& out, const Tokenizer& tokenizer, const ScoredToken& score,
                   size_t n_tops) {
    const SampledToken& given = score.given;
    out += ",{";
    append_entry(out, tokenizer, given.token, given.logprob, score.rank);
    for (size_t i = 0; i < std::min(n_tops, given.top.size()); i++) {
        if (given.top[i].token == given.token) continue;
        out += ',';
        append_entry(out, tokenizer, given.top[i].token, given.top[i].logprob, int(i) + 1);
    }
    out += '}';
}

size_t size_of(const LogprobLists& lists) {
    return lists.tops.size() + lists.tokens.size() + lists.logprobs.size() + lists.offsets.size();
}

/// Moves new bytes to the pieces that are kept; returns how many.
size_t keep_piece(std::vector<ByteQueue::Shared>& pieces, std::string& bytes) {
    const size_t n = bytes.size();
    if (n > 0) pieces.push_back(std::make_shared<const std::string>(std::move(bytes)));
    bytes = {};
    return n;
}

}  // namespace

PromptLogprobs::PromptLogprobs(const OpenAiStyle& style, const Choices& choices)
    : style_{&choices.tokenizer(), false, style.tokens_as_ids},
      n_of_member_(style.prompt_logprobs),
      n_of_lists_(choices.echoes_logprobs() ? choices.generation().sampling.n_logprobs : -1),
      echoes_(n_of_lists_ >= 0),
      is_wanted_(echoes_ || n_of_member_ >= 0),
      prompts_(choices.prompts().size()) {}

bool PromptLogprobs::write(Choices& choices) {
    if (!is_wanted_) return true;
    size_t n_left = AnswerRenderer::kEnoughBytes;
    for (size_t i = 0; i < prompts_.size(); i++)
        if (!write_prompt(choices, i, n_left)) return false;
    return true;
}

/// False if more has come than may be written now.
bool PromptLogprobs::write_prompt(Choices& choices, size_t index, size_t& n_left) {
    Prompt& prompt = prompts_[index];
    const std::span<const int32_t> tokens = choices.prompts()[index].tokens();
    if (prompt.n_written == tokens.size()) return true;
    if (prompt.n_written == 0) begin(prompt, tokens[0]);
    bool has_more = false;
    for (;;) {
        if (prompt.n_taken == prompt.scores.size()) {
            prompt.scores = choices.take_scores(index), prompt.n_taken = 0;
            if (prompt.scores.empty()) break;
        }
        if ((has_more = n_left == 0)) break;
        const size_t before = prompt.new_member.size() + size_of(prompt.new_lists);
        add(prompt, prompt.scores[prompt.n_taken++]);
        const size_t n_new = prompt.new_member.size() + size_of(prompt.new_lists) - before;
        n_left -= std::min(n_left, n_new);
    }
    if (prompt.n_written == tokens.size()) {
        if (n_of_member_ >= 0) prompt.new_member += ']';
        prompt.offsets.reset();
    }
    keep(prompt);
    return !has_more;
}

void PromptLogprobs::begin(Prompt& prompt, int32_t first_token) {
    if (n_of_member_ >= 0) prompt.new_member = ",\"prompt_logprobs\":[null";
    if (echoes_) {
        prompt.new_lists.add(style_, {first_token, 0, {}}, 0, true);
        prompt.offsets.emplace(*style_.tokenizer, 0, true).push(first_token);
    }
    prompt.n_written = 1;
}

void PromptLogprobs::add(Prompt& prompt, ScoredToken& score) {
    SampledToken& given = score.given;
    prompt.n_written++;
    if (n_of_member_ >= 0)
        append_scored(prompt.new_member, *style_.tokenizer, score, size_t(n_of_member_));
    if (!echoes_) return;
    LogprobLists& lists = prompt.new_lists;
    for (std::string* list : {&lists.tops, &lists.tokens, &lists.logprobs, &lists.offsets})
        *list += ',';
    given.top.resize(std::min(given.top.size(), size_t(n_of_lists_)));
    lists.add(style_, given, prompt.offsets->of(given.token));
    prompt.offsets->push(given.token);
}

/// In pieces that never grow: a string of megabytes would be copied whenever it outgrows itself.
void PromptLogprobs::keep(Prompt& prompt) {
    LogprobLists& lists = prompt.new_lists;
    prompt.n_bytes += keep_piece(prompt.lists.tops, lists.tops) +
                      keep_piece(prompt.lists.tokens, lists.tokens) +
                      keep_piece(prompt.lists.logprobs, lists.logprobs) +
                      keep_piece(prompt.lists.offsets, lists.offsets) +
                      keep_piece(prompt.member, prompt.new_member);
}

void PromptLogprobs::forget(size_t prompt) {
    prompts_[prompt].lists = {}, prompts_[prompt].member = {}, prompts_[prompt].n_bytes = 0;
}

size_t PromptLogprobs::n_waiting(size_t prompt) const {
    size_t n = 0;
    for (size_t i = prompt + 1; i < prompts_.size(); i++) n += prompts_[i].n_bytes;
    return n;
}

}  // namespace qwend
