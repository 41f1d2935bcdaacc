#include "daemon/api/answer_body.h"

#include <utility>

namespace qwend {

AnswerBody::AnswerBody(const ModelText& model, Generation generation,
                       std::vector<std::vector<int32_t>> prompts, const MakeRenderer& make_renderer)
    : choices_(model, std::move(generation), std::move(prompts)),
      renderer_(make_renderer(choices_)) {
    choices_.forget_texts();
}

bool AnswerBody::on_event(int candidate, const TokenEvent& event) {
    has_news_ = true;
    return choices_.on_event(candidate, event);
}

void AnswerBody::take(std::string& out) {
    if (!choices_.chosen()) {
        has_news_ = false;  // it is told when the choices are known
        return;
    }
    if (ready_.empty()) {
        if (!has_more_) has_news_ = false;
        has_more_ = !renderer_->write(choices_, ready_);
    }
    ready_.take(out, AnswerRenderer::kEnoughBytes);
}

}  // namespace qwend
