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
                        R"("content_block":{{"type":"{}"{},"{}":{}{}}}}})",
                        index, kind.type, members, kind.member, kind.is_text ? "\"\"" : "{}",
                        kind.is_signed ? R"(,"signature":"")" : ""));
        return;
    }
    fmt::format_to(std::back_inserter(out), R"({}{{"type":"{}"{},"{}":{})", index > 0 ? "," : "",
                   kind.type, members, kind.member, kind.is_text ? "\"" : "");
}

void BlockWriter::add_delta(std::string& out, std::string_view type, std::string_view member,
                            std::string_view content) const {
    std::string json;
    append_json_string(json, content);
    out += sse_event(
        "content_block_delta",
        fmt::format(
            R"({{"type":"content_block_delta","index":{},"delta":{{"type":"{}","{}":{}}}}})",
            n_opened_ - 1, type, member, json));
}

void BlockWriter::add(std::string& out, std::string_view content) {
    if (content.empty()) return;
    has_content_ = true;
    if (is_stream_) {
        add_delta(out, kind_->delta, kind_->delta_member, content);
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
    if (is_stream_) {
        if (kind_->is_signed) add_delta(out, "signature_delta", "signature", "");
        out += sse_event("content_block_stop", fmt::format(R"({{"type":"content_block_stop",)"
                                                           R"("index":{}}})",
                                                           n_opened_ - 1));
    } else {
        out += kind_->is_text ? "\"" : has_content_ ? "" : "{}";
        out += kind_->is_signed ? R"(,"signature":""})" : "}";
    }
    kind_ = nullptr;
    has_content_ = false;
}

}  // namespace qwend
