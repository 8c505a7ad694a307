#include "rushes/server/http/route_sets.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace rushes::server {
namespace {

using Sets = std::vector<const RouteSet*>;

Sets named_sets(const std::vector<RouteSet>& table, const std::vector<std::string>& names) {
  std::vector<std::string> known;
  for (const RouteSet& set : table) known.push_back(set.name);
  for (const std::string& name : names)
    require(std::find(known.begin(), known.end(), name) != known.end(), ErrorCode::invalid_argument,
            "there is no API '{}'; the known APIs are {}", name, fmt::join(known, ", "));
  Sets sets;
  for (const RouteSet& set : table)
    if (&set == &table.front() || std::find(names.begin(), names.end(), set.name) != names.end()) sets.push_back(&set);
  return sets;
}

/// The first route that both have; null: none. One of them that yields is no reason to leave anything out.
const Route* common_route(const RouteSet& a, const RouteSet& b) {
  for (const Router::Known& known : a.routes.routes()) {
    const Route* other = b.routes.find(known.route.method, known.route.pattern);
    const bool is_here = !known.route.when_named && other && !other->when_named;
    if (is_here && !other->yields && !known.route.yields) return &known.route;
  }
  return nullptr;
}

Sets compatible_sets(const std::vector<RouteSet>& table, std::vector<std::string>& left_out) {
  Sets sets;
  for (const RouteSet& set : table) {
    const Route* common = nullptr;
    const auto before = std::find_if(sets.begin(), sets.end(),
                                     [&](const RouteSet* taken) { return (common = common_route(*taken, set)); });
    if (before == sets.end())
      sets.push_back(&set);
    else
      left_out.push_back(
          fmt::format("the API {0} is not served here, since {1} {2} belongs to {3}; add --listen ADDRESS:PORT={0} to "
                      "serve it at another address",
                      set.name, common->method, common->pattern, (*before)->name));
  }
  return sets;
}

}  // namespace

ServedRoutes choose_routes(const std::vector<RouteSet>& table, const std::vector<std::string>& names) {
  ServedRoutes served;
  const Sets sets = names.empty() ? compatible_sets(table, served.left_out) : named_sets(table, names);
  for (const RouteSet* set : sets) {
    served.sets.push_back(set->name);
    if (!names.empty() && set->routes.rephrase()) served.router.rephrase(set->routes.rephrase());
    for (const Router::Known& known : set->routes.routes()) {
      if (names.empty() && known.route.when_named) continue;
      const bool gives_way = known.route.yields && std::any_of(sets.begin(), sets.end(), [&](const RouteSet* other) {
                               const Route* same = other->routes.find(known.route.method, known.route.pattern);
                               return other != set && same && !(names.empty() && same->when_named);
                             });
      if (!gives_way) served.router.add(known.route, set->name);
    }
  }
  return served;
}

}  // namespace rushes::server
