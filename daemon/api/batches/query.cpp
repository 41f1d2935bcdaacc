#include "daemon/api/batches/query.h"

#include <algorithm>

#include "daemon/api/route_path.h"

namespace qwend {

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const size_t end = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        const size_t equals = pair.find('=');
        if (equals != pair.npos && pair.substr(0, equals) == name)
            return decode_percent(pair.substr(equals + 1));
    }
    return std::nullopt;
}

}  // namespace qwend
