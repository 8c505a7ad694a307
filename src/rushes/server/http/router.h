// The table of routes: method, path pattern, who may call, and the function. One table serves the requests of a
// listener, answers 405 with the methods that exist, and is what documentation and tests are checked against.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "rushes/server/http/http.h"

namespace rushes::server {

class WebSocket;

/// Runs as long as the viewer is connected; returning ends the connection.
using Feed = std::function<net::awaitable<void>(WebSocket&)>;

/// Puts a refusal that no route's function has given (nothing is there, another method, a body that is too large, no
/// access), or the answer to a preflight, into the words of an API.
using Rephrase = std::function<void(const Request&, Response&)>;

inline constexpr std::size_t kMaxBodyBytes = 64 << 10;  // where a route does not say otherwise

struct Route {
  enum class Access { open, token };  // token: where the server asks for one

  std::string method;
  std::string pattern;  // "/v1/sessions/{id}": a name in braces stands for one part of the path
  Access access = Access::token;
  std::function<Response(const Request&)> answer;
  /// Instead of `answer`: one that takes its time. It must not block; `request` lives until it ends. It is cancelled
  /// when the client leaves.
  std::function<net::awaitable<Response>(const Request& request)> answer_later = {};
  /// Instead of `answer`, or for requests beside it that ask for a WebSocket: checks the request, throwing before the
  /// upgrade, and gives what runs after it.
  std::function<Feed(const Request&)> feed = {};
  std::size_t max_body_bytes = kMaxBodyBytes;
  std::size_t max_message_bytes = 0;  // that come in one message of the WebSocket; 0: ConnectionLimits::message_bytes
  /// A GET that does more than read: pages of other origins may not call it, as if it were a POST.
  enum class Effect { of_method, changes };
  Effect effect = Effect::of_method;
  /// Gives way where another set of the listener's routes has the same.
  bool yields = false;
  /// Served only where the listener names its set: elsewhere the path is the page's, or another set's.
  bool when_named = false;
  /// Of what is refused before its function is asked, on whatever listener.
  Rephrase rephrase = {};

  /// The last part of the pattern that is not empty: by which metrics tell connections apart.
  std::string kind() const;
};

class Router {
 public:
  /// Throws Error(invalid_argument) naming both if there is a route of this method whose pattern is the same or differs
  /// only in the names in braces. To be called before the first match(). `set`: the RouteSet that it comes from.
  void add(Route route, std::string set = {});
  /// add() of a route of each kind, for who has the server's token.
  void answer(std::string method, std::string pattern, std::function<Response(const Request&)> function);
  void answer_later(std::string method, std::string pattern,
                    std::function<net::awaitable<Response>(const Request&)> function,
                    std::size_t max_body_bytes = kMaxBodyBytes);
  void feed(std::string pattern, std::function<Feed(const Request&)> function);

  /// Of what belongs to no route that says otherwise, where the listener names the set.
  void rephrase(Rephrase words) { rephrase_ = std::move(words); }
  const Rephrase& rephrase() const noexcept { return rephrase_; }

  /// Calls `check` before the function of each route that was added so far; what it throws is the answer.
  void check_first(const std::function<void(const Route&, const Request&)>& check);

  struct Match {
    const Route* route = nullptr;
    Values path_values;   // decoded
    std::string allowed;  // methods of the path, if it is known but not with this method
  };
  /// `path` as it was sent. Each of its parts is percent-decoded once, before it is compared; an encoded '/' does not
  /// separate parts. Where several patterns fit, a literal part wins over a name, the first part first, in whatever
  /// order they were added. A path with a broken escape fits no pattern.
  Match match(std::string_view method, std::string_view path) const;

  struct Known {
    Route route;
    std::string set;
    std::vector<std::string> parts;  // of the pattern
  };
  /// In the order of their precedence.
  const std::vector<Known>& routes() const noexcept { return known_; }
  /// Null: there is no route of this method and path, names in braces apart.
  const Route* find(std::string_view method, std::string_view pattern) const;

 private:
  std::vector<Known> known_;
  Rephrase rephrase_;
};

}  // namespace rushes::server
