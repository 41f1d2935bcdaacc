#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/api_error.h"
#include "net/http.h"

namespace qwend {

/// How a dialect writes an error: JSON, the body of an answer.
using RenderError = std::string (*)(const ApiError&);

enum RouteTrait : unsigned {
    kOpen = 1,          // to everybody: needs no key
    kGenerates = 2,     // refused unless something can be generated
    kLight = 4,         // HttpVerdict::light
    kNamesRequest = 8,  // answers have its id as Request-Id too, which is Anthropic's header
    kAnyType = 16,      // a body is what the route takes whatever its Content-Type says
};

/// What /openapi.json says of a route. Names of schemas are those of the document.
struct RouteDescription {
    std::string_view name = {};     // of the operation; empty: the document is silent about it
    std::string_view summary = {};  // a few words
    std::string_view request = {};  // schema of the body; empty: there is none
    std::string_view answer = {};   // schema of the answer, where it is JSON
    std::vector<std::string_view> other_types = {};  // media types it may have besides
    std::string_view refusal = {};  // schema of what is no answer; empty: the dialect's error
    std::string_view path = {};     // where the route's ends with '*': as a template
};

/// One thing that can be asked for. A request's route is found once, when its headers are there,
/// and kept with it.
struct Route {
    std::string_view method;
    std::string_view path;  // canonical; a trailing '*' matches the rest
    RenderError render_error;
    std::function<void(const ExchangePtr&)> handle;
    unsigned traits = 0;  // of RouteTrait
    RouteDescription description = {};
    size_t max_body = 0;        // bytes a POST may bring; 0: what the option max-body says
    std::string_view off = {};  // why it is not offered here, though it might be; empty: it is

    bool is(RouteTrait trait) const { return traits & trait; }
};

/// What there is at a request's path.
struct RouteMatch {
    const Route* route = nullptr;  // of its method too, where GET's is also HEAD's
    bool path_exists = false, light = false;
    RenderError render_error = nullptr;  // of the path's routes; nullptr where there are none
    std::string allow;                   // where its method is not offered: those that are
};

/// All routes; they stay where they are.
class RouteTable {
  public:
    explicit RouteTable(std::vector<Route> routes) : routes_(std::move(routes)) {}
    RouteTable(const RouteTable&) = delete;

    RouteMatch find(const HttpRequest& request) const;
    const std::vector<Route>& routes() const { return routes_; }

  private:
    const std::vector<Route> routes_;
};

/// The route that was kept with the request; nullptr: none was found.
inline const Route* route_of(const HttpRequest& request) {
    return static_cast<const Route*>(request.route);
}

}  // namespace qwend
