#include "daemon/api/responses/item_document.h"

#include <fmt/format.h>

#include <utility>

#include "daemon/api/token_logprobs.h"

namespace qwend {

void ItemDocument::begin(ByteQueue& out, const OutputItem& item) {
    if (item.index > 0) out.append(",");
    if (item.kind != OutputItem::Kind::message) return;
    has_logprobs_ = false;
    out.append(fmt::format(R"({{"id":"{}","type":"message","role":"assistant","content":)"
                           R"([{{"type":"output_text","annotations":[],"logprobs":[)",
                           item.id));
}

/// The text itself is kept by the item.
void ItemDocument::text(ByteQueue& out, const OutputItem&, std::string_view,
                        const std::vector<PlacedToken>& tokens) {
    std::string logprobs;
    for (const PlacedToken& token : tokens) {
        if (std::exchange(has_logprobs_, true)) logprobs += ',';
        append_token_logprobs(logprobs, token.sampled, *logprob_style_.tokenizer,
                              logprob_style_.tokens_as_ids);
    }
    out.append(std::move(logprobs));
}

void ItemDocument::end(ByteQueue& out, const OutputItem& item, std::string_view status) {
    std::string json;
    if (item.kind == OutputItem::Kind::message)
        json.append("],\"text\":\"")
            .append(item.text)
            .append("\"}],\"status\":\"")
            .append(status)
            .append("\"}");
    else
        append_item(json, item, status);
    out.append(std::move(json));
}

}  // namespace qwend
