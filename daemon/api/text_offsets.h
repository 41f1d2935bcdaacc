#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/text/tokenizer.h"

namespace qwend {

size_t count_code_points(std::string_view text);

/// Where tokens are in the text they become: in code points of what was complete before each.
class TextOffsets {
  public:
    /// `tokenizer` outlives this; `begin`: of the first token, which may begin the text.
    explicit TextOffsets(const Tokenizer& tokenizer, size_t begin = 0, bool begins_text = false)
        : tokenizer_(&tokenizer), decoder_(tokenizer, false, begins_text), offset_(begin) {}

    /// Of a token, were it next. Bytes held back count as the character they are part of, unless
    /// the token cannot go on with it.
    size_t of(int32_t token) const;
    /// Text that is complete with the token, as StreamDecoder::push() gives it.
    std::string push(int32_t token);
    /// What is complete since no token follows, as StreamDecoder::finish_cut() gives it.
    std::string finish();

  private:
    const Tokenizer* tokenizer_;
    StreamDecoder decoder_;
    size_t offset_;
};

}  // namespace qwend
