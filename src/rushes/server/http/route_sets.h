// The routes of one API are a set with a name. Sets of different systems have paths in common (/health, /generate), so
// that each listener serves a choice of them.
#pragma once
#include <string>
#include <vector>

#include "rushes/server/http/router.h"

namespace rushes::server {

struct RouteSet {
  std::string name;
  Router routes;
};

/// What one listener serves.
struct ServedRoutes {
  Router router;
  std::vector<std::string> sets;      // their names, in the order of the table
  std::vector<std::string> left_out;  // a sentence for each set that could not be served, with the reason
};

/// The first set of `table`, and those that `names` has. Without names: every set that has no route in common with one
/// before it that is served; a set is served as a whole or not at all, but for routes that are there only when_named.
/// Throws Error(invalid_argument) for a name that is not in the table, and for named sets with a route in common.
ServedRoutes choose_routes(const std::vector<RouteSet>& table, const std::vector<std::string>& names);

}  // namespace rushes::server
