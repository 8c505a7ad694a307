// The table of routes: method, path pattern, who may call, and the function. One table serves requests, answers 405
// with the methods that exist, and is what documentation and tests are checked against.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "rushes/server/http/http.h"

namespace rushes::server {

class WebSocket;

/// Runs as long as the viewer is connected; returning ends the connection.
using Feed = std::function<net::awaitable<void>(WebSocket&)>;

struct Route {
  enum class Access { open, token };  // token: where the server asks for one

  std::string method;
  std::string pattern;  // "/v1/sessions/{id}": a name in braces stands for one part of the path
  Access access = Access::token;
  std::function<Response(const Request&)> answer;
  /// Instead of `answer`: one that takes its time. It must not block; `request` lives until it ends.
  std::function<net::awaitable<Response>(const Request& request)> answer_later = {};
  /// Instead of `answer`: checks the request, throwing before the upgrade, and gives what runs after it.
  std::function<Feed(const Request&)> feed = {};
  std::size_t max_body_bytes = 64 << 10;
};

class Router {
 public:
  void add(Route route);

  struct Match {
    const Route* route = nullptr;
    Values path_values;
    std::string allowed;  // methods of the path, if it is known but not with this method
  };
  Match match(std::string_view method, std::string_view path) const;
  const std::vector<Route>& routes() const noexcept { return routes_; }

 private:
  std::vector<Route> routes_;
};

/// The path's parts that the pattern's names stand for; nothing if the path does not fit.
std::optional<Values> match_path(std::string_view pattern, std::string_view path);

}  // namespace rushes::server
