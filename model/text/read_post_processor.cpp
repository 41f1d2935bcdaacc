#include <cstdint>
#include <vector>

#include "model/text/tokenizer_pipeline.h"
#include "model/text/tokenizer_steps.h"

namespace qwend {

namespace {

namespace dom = simdjson::dom;

void add_id(const JsonFile& json, dom::element value, std::string_view name,
            std::vector<int32_t>& ids) {
    int64_t id = -1;
    if (value.get(id) || id < 0 || id > kMaxTokenId)
        json.fail(fmt::format("post_processor: expected token ids of \"{}\"", name));
    ids.push_back(int32_t(id));
}

/// The special tokens that a TemplateProcessing puts before and after one text.
void read_template(const JsonFile& json, dom::object processor, TokensAround& around) {
    dom::array pieces;
    dom::object known;
    if (processor.at_key("single").get(pieces) || processor.at_key("special_tokens").get(known))
        json.fail("post_processor: expected single and special_tokens");
    bool is_behind = false;
    for (auto element : pieces) {
        dom::object piece, special, described;
        dom::array ids;
        if (element.get(piece)) json.fail("post_processor.single: expected objects");
        if (piece.at_key("SpecialToken").get(special)) {
            is_behind = true;  // the text itself
            continue;
        }
        const std::string_view name = text_at(special, "id");
        if (known.at_key(name).get(described) || described.at_key("ids").get(ids))
            json.fail(fmt::format("post_processor: expected ids of \"{}\"", name));
        for (auto value : ids) add_id(json, value, name, is_behind ? around.suffix : around.prefix);
    }
}

/// BERT's and RoBERTa's: [cls] text [sep].
void read_cls_sep(const JsonFile& json, dom::object processor, TokensAround& around) {
    for (const char* role : {"cls", "sep"}) {
        dom::array token;  // a name and an id
        if (processor.at_key(role).get(token) || token.size() != 2)
            json.fail(fmt::format("post_processor: expected a token and its id as \"{}\"", role));
        const bool is_sep = std::string_view(role) == "sep";
        add_id(json, token.at(1), role, is_sep ? around.suffix : around.prefix);
    }
}

void read_post_processor_step(const JsonFile& json, dom::object processor, TokensAround& around) {
    const std::string_view type = text_at(processor, "type");
    if (type == "ByteLevel") return;  // it moves offsets alone
    if (type == "TemplateProcessing") return read_template(json, processor, around);
    if (type == "BertProcessing" || type == "RobertaProcessing")
        return read_cls_sep(json, processor, around);
    json.fail(
        fmt::format("post_processor: expected ByteLevel, TemplateProcessing, BertProcessing or "
                    "RobertaProcessing, or a Sequence of them, found \"{}\"",
                    type));
}

}  // namespace

TokensAround read_post_processor(const JsonFile& json) {
    TokensAround all;
    auto read = [&](dom::object step) {
        TokensAround around;  // what the steps before have made of the text
        read_post_processor_step(json, step, around);
        all.prefix.insert(all.prefix.begin(), around.prefix.begin(), around.prefix.end());
        all.suffix.insert(all.suffix.end(), around.suffix.begin(), around.suffix.end());
    };
    if (const auto element = json.find("post_processor"))
        for_each_step(json, *element, "post_processor", "processors", read);
    return all;
}

}  // namespace qwend
