#include "rushes/server/http/router.h"

#include <algorithm>

namespace rushes::server {
namespace {

bool is_name(std::string_view part) { return part.starts_with('{'); }
std::string_view name_of(std::string_view part) { return part.substr(1, part.size() - 2); }

/// "/v1/models" has the parts "v1" and "models"; "/" has one, which is empty.
std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  while (path.starts_with('/')) {
    path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    parts.emplace_back(part);
  }
  return parts;
}

/// Nothing: one of them cannot be decoded.
std::optional<std::vector<std::string>> decoded_parts(std::string_view path) {
  std::vector<std::string> parts = parts_of(path);
  for (std::string& part : parts) {
    auto decoded = percent_decode(part);
    if (!decoded) return std::nullopt;
    part = std::move(*decoded);
  }
  return parts;
}

bool same_paths(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const std::string& left, const std::string& right) {
    return is_name(left) ? is_name(right) : left == right;
  });
}

/// The literal first at the first part where only one of them has a name.
bool precedes(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::lexicographical_compare(
      a.begin(), a.end(), b.begin(), b.end(),
      [](const std::string& left, const std::string& right) { return is_name(left) < is_name(right); });
}

std::optional<Values> values_of(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  if (pattern.size() != path.size()) return std::nullopt;
  Values values;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (is_name(pattern[i]) ? path[i].empty() : pattern[i] != path[i]) return std::nullopt;
    if (is_name(pattern[i])) values.emplace(name_of(pattern[i]), path[i]);
  }
  return values;
}

}  // namespace

std::string Route::kind() const {
  std::string_view part = pattern;
  if (part.size() > 1 && part.ends_with('/')) part.remove_suffix(1);
  if (const std::size_t last = part.rfind('/'); last > 0 && is_name(part.substr(last + 1))) part = part.substr(0, last);
  return std::string(part.substr(part.rfind('/') + 1));
}

void Router::add(Route route, std::string set) {
  Known added{std::move(route), std::move(set), {}};
  added.parts = parts_of(added.route.pattern);
  const auto shown = [](const Known& known) {
    return known.set.empty() ? known.route.pattern : fmt::format("{} of {}", known.route.pattern, known.set);
  };
  for (const Known& known : known_)
    require(known.route.method != added.route.method || !same_paths(known.parts, added.parts),
            ErrorCode::invalid_argument, "two routes match the same {} requests: {} and {}", added.route.method,
            shown(known), shown(added));
  const auto place = std::upper_bound(known_.begin(), known_.end(), added,
                                      [](const Known& a, const Known& b) { return precedes(a.parts, b.parts); });
  known_.insert(place, std::move(added));
}

void Router::answer(std::string method, std::string pattern, std::function<Response(const Request&)> function) {
  Route route;
  route.method = std::move(method);
  route.pattern = std::move(pattern);
  route.answer = std::move(function);
  add(std::move(route));
}

void Router::answer_later(std::string method, std::string pattern,
                          std::function<net::awaitable<Response>(const Request&)> function,
                          std::size_t max_body_bytes) {
  Route route;
  route.method = std::move(method);
  route.pattern = std::move(pattern);
  route.answer_later = std::move(function);
  route.max_body_bytes = max_body_bytes;
  add(std::move(route));
}

void Router::feed(std::string pattern, std::function<Feed(const Request&)> function) {
  Route route;
  route.method = "GET";
  route.pattern = std::move(pattern);
  route.feed = std::move(function);
  add(std::move(route));
}

void Router::check_first(const std::function<void(const Route&, const Request&)>& check) {
  for (Known& known : known_) {
    Route& route = known.route;
    Route about;
    about.method = route.method;
    about.pattern = route.pattern;
    const auto behind = [&](auto& function) {
      if (!function) return;
      function = [check, about, inner = std::move(function)](const Request& request) {
        check(about, request);
        return inner(request);
      };
    };
    behind(route.answer);
    behind(route.answer_later);
    behind(route.feed);
  }
}

Router::Match Router::match(std::string_view method, std::string_view path) const {
  Match match;
  const auto parts = decoded_parts(path);
  if (!parts) return match;
  for (const Known& known : known_) {
    auto values = values_of(known.parts, *parts);
    if (!values) continue;
    const Route& route = known.route;
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

const Route* Router::find(std::string_view method, std::string_view pattern) const {
  const std::vector<std::string> parts = parts_of(pattern);
  for (const Known& known : known_)
    if (known.route.method == method && same_paths(known.parts, parts)) return &known.route;
  return nullptr;
}

}  // namespace rushes::server
