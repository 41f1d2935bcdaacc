#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/api/api_error.h"
#include "daemon/api/batches/record_map.h"
#include "daemon/api/json_writer.h"

namespace qwend {

/// Reads `limit`, `order` and `after` of a request's query; what is wrong with them, or nothing.
/// The limit that stands in `page` is the one of who says none.
std::optional<ApiError> read_page(std::string_view query, size_t max_limit, PageQuery& page);

/// OpenAI's list of what is in a page.
template <class Page, class Render>
std::string render_list(const Page& page, const Render& render) {
    JsonWriter w;
    w.begin_object().key("object").string("list").key("data").begin_array();
    for (const auto* record : page.records) w.raw(render(*record));
    w.end_array();
    const bool is_empty = page.records.empty();
    w.key("first_id"), is_empty ? w.null() : w.string(page.records.front()->id);
    w.key("last_id"), is_empty ? w.null() : w.string(page.records.back()->id);
    w.key("has_more").boolean(page.has_more).end_object();
    return w.take();
}

}  // namespace qwend
