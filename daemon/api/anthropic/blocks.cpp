#include "daemon/api/anthropic/blocks.h"

#include <fmt/format.h>

#include <iterator>

#include "daemon/api/json_scanner.h"
#include "daemon/api/json_writer.h"
#include "net/sse.h"

namespace qwend {

void BlockWriter::open(std::string& out, const BlockKind& kind, std::string_view members) {
    close(out);
    kind_ = &kind;
    const int index = n_opened_++;
    if (is_stream_) {
        // Clients go on with what the block has at its start, so that it has to be there.
        out += sse_event(
            "content_block_start",
            fmt::format(R"({{"type":"content_block_start","index":{},)"
                        R"("content_block":{{"type":"{}"{},"{}":{}}}}})",
                        index, kind.type, members, kind.member, kind.is_text ? "\"\"" : "{}"));
        return;
    }
    fmt::format_to(std::back_inserter(out), R"({}{{"type":"{}"{},"{}":{})", index > 0 ? "," : "",
                   kind.type, members, kind.member, kind.is_text ? "\"" : "");
}

void BlockWriter::add(std::string& out, std::string_view content) {
    if (content.empty()) return;
    has_content_ = true;
    if (is_stream_) {
        std::string json;
        append_json_string(json, content);
        out += sse_event("content_block_delta",
                         fmt::format(R"({{"type":"content_block_delta","index":{},)"
                                     R"("delta":{{"type":"{}","{}":{}}}}})",
                                     n_opened_ - 1, kind_->delta, kind_->delta_member, json));
    } else if (kind_->is_text) {
        append_json_escaped(out, content);
    } else {
        const std::string object = clean_json_object(content);
        out += object.empty() ? "{}" : object;
    }
}

void BlockWriter::add_text(std::string& out, const BlockKind& kind, std::string_view text) {
    if (text.empty()) return;
    if (kind_ != &kind) open(out, kind);
    add(out, text);
}

void BlockWriter::close(std::string& out) {
    if (!kind_) return;
    if (is_stream_)
        out +=
            sse_event("content_block_stop",
                      fmt::format(R"({{"type":"content_block_stop","index":{}}})", n_opened_ - 1));
    else
        out += kind_->is_text ? "\"}" : has_content_ ? "}" : "{}}";
    kind_ = nullptr;
    has_content_ = false;
}

}  // namespace qwend
