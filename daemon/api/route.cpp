#include "daemon/api/route.h"

#include "daemon/api/route_path.h"

namespace qwend {

RouteMatch RouteTable::find(const HttpRequest& request) const {
    RouteMatch match;
    const std::string asked = canonical_path(request.path);
    for (const Route& route : routes_) {
        const bool matches = route.path.ends_with('*')
                                 ? asked.starts_with(route.path.substr(0, route.path.size() - 1))
                                 : asked == route.path;
        if (!matches) continue;
        match.path_exists = true;
        match.render_error = route.render_error;
        match.light |= route.is(kLight);
        if (request.method == route.method || (route.method == "GET" && request.head)) {
            match.route = &route;
            break;
        }
        match.allow += match.allow.empty() ? "" : ", ";
        match.allow += route.method == "GET" ? "GET, HEAD" : route.method;
    }
    return match;
}

}  // namespace qwend
