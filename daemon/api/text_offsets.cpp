#include "daemon/api/text_offsets.h"

#include <algorithm>

namespace qwend {

size_t count_code_points(std::string_view text) {
    return size_t(std::count_if(text.begin(), text.end(),
                                [](char c) { return (uint8_t(c) & 0xC0) != 0x80; }));
}

size_t TextOffsets::of(int32_t token) const {
    const std::string_view bytes = tokenizer_->token_bytes(token);
    const bool goes_on = !bytes.empty() && (uint8_t(bytes[0]) & 0xC0) == 0x80;
    return offset_ + (goes_on ? 0 : count_code_points(decoder_.held()));
}

std::string TextOffsets::push(int32_t token) {
    std::string text = decoder_.push(token);
    offset_ += count_code_points(text);
    return text;
}

std::string TextOffsets::finish() {
    std::string text = decoder_.finish_cut();
    offset_ += count_code_points(text);
    return text;
}

}  // namespace qwend
