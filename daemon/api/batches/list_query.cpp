#include "daemon/api/batches/list_query.h"

#include <fmt/format.h>

#include <charconv>

#include "daemon/api/batches/query.h"

namespace qwend {

std::optional<ApiError> read_page(std::string_view query, size_t max_limit, PageQuery& page) {
    if (const auto limit = query_value(query, "limit")) {
        const char* const end = limit->data() + limit->size();
        const auto [at, error] = std::from_chars(limit->data(), end, page.limit);
        if (error != std::errc() || at != end || page.limit < 1 || page.limit > max_limit)
            return bad_request(fmt::format("limit: expected an integer from 1 to {}", max_limit),
                               "limit");
    }
    if (const auto order = query_value(query, "order")) {
        if (*order != "asc" && *order != "desc")
            return bad_request("order: expected \"asc\" or \"desc\"", "order");
        page.newest_first = *order == "desc";
    }
    page.after = query_value(query, "after").value_or("");
    return std::nullopt;
}

}  // namespace qwend
