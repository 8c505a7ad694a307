#include "rushes/server/http/router.h"

namespace rushes::server {
namespace {

/// Takes the next part off a path that begins with '/'.
std::string_view next_part(std::string_view& path) {
  path.remove_prefix(1);
  const std::string_view part = path.substr(0, path.find('/'));
  path.remove_prefix(part.size());
  return part;
}

}  // namespace

std::optional<Values> match_path(std::string_view pattern, std::string_view path) {
  Values values;
  while (!pattern.empty() && !path.empty()) {
    if (path.front() != '/') return std::nullopt;
    const std::string_view wanted = next_part(pattern), found = next_part(path);
    if (wanted.starts_with('{')) {
      if (found.empty()) return std::nullopt;
      values.emplace(wanted.substr(1, wanted.size() - 2), found);
    } else if (wanted != found) {
      return std::nullopt;
    }
  }
  return pattern.empty() && path.empty() ? std::optional(std::move(values)) : std::nullopt;
}

void Router::add(Route route) { routes_.push_back(std::move(route)); }

Router::Match Router::match(std::string_view method, std::string_view path) const {
  Match match;
  for (const Route& route : routes_) {
    auto values = match_path(route.pattern, path);
    if (!values) continue;
    if (route.method == method) {
      match.route = &route;
      match.path_values = std::move(*values);
      return match;
    }
    if (match.allowed.find(route.method) == std::string::npos)
      match.allowed += (match.allowed.empty() ? "" : ", ") + route.method + (route.method == "GET" ? ", HEAD" : "");
  }
  return match;
}

}  // namespace rushes::server
