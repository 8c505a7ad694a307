#include "rushes/server/api/omniavatar/routes.h"

#include <algorithm>

#include "rushes/server/api/omniavatar/generations.h"
#include "rushes/server/api/omniavatar/openapi.json.h"
#include "rushes/server/api/omniavatar/streams.h"
#include "rushes/server/http/connection.h"

namespace rushes::server {
namespace {

using namespace omniavatar;

/// OPTIONS is told as one of a path's methods, and is answered 200, or 404 where there is no path.
void rephrase(const Request& request, Response& response) {
  if (request.path == "*" || request.path.starts_with("/v1/")) return;
  const auto allow = std::find_if(response.headers.begin(), response.headers.end(),
                                  [](const auto& header) { return header.first == "Allow"; });
  const bool is_known = allow != response.headers.end();
  if (is_known) allow->second = "OPTIONS, " + allow->second;
  const bool is_socket_io = request.path == "/socket.io" || request.path.starts_with("/socket.io/");
  if (request.method != "OPTIONS") {
    if (!is_socket_io) reword(response);
    return;
  }
  if (!is_known) {
    response = error_answer(404, "there is nothing at " + request.path);
    return;
  }
  response.status = 200;
  response.content_type = "text/plain; charset=utf-8";
  if (!is_socket_io) return;
  response.body = "OK";
  for (auto& [name, value] : response.headers)
    if (name == "Access-Control-Allow-Methods") value = "OPTIONS, GET, POST";
}

void add_routes(Router& router, const ApiContext& context) {
  const auto studio = std::make_shared<Studio>(context.sessions, context.work);
  const auto generations = std::make_shared<Generations>(studio, context.options.assistant);
  const auto endpoint = std::make_shared<socket_io::Endpoint>(context.options.socket_io, generations->app(),
                                                              context.work, context.service.access);
  endpoint->add_routes(router, "/socket.io");
  router.rephrase(rephrase);
  add_stream_routes(router, studio);
  // Their names are those of other systems, too.
  const auto named = [&](const char* pattern, std::function<nlohmann::json()> tell) {
    Route route;
    route.method = "GET";
    route.pattern = pattern;
    route.access = Route::Access::open;
    route.answer = [tell = std::move(tell)](const Request&) { return json_answer(200, tell()); };
    route.when_named = true;
    router.add(std::move(route));
  };
  named("/health", [studio] {
    return nlohmann::json{{"model_loaded", studio->has_model()}, {"status", "healthy"}, {"streaming_supported", true}};
  });
  named("/api/health", [generations] { return generations->health(); });
  named("/api/model_info", [generations] { return generations->model_info(); });
  // A client that follows nothing would hold up the end of the server.
  context.sweeps.push_back([studio, generations, endpoint] {
    if (studio->sessions().draining())
      endpoint->close_if([&](const socket_io::ClientPtr& client) { return !generations->follows_any(client); });
  });
}

}  // namespace

Api omniavatar_api() { return {"omniavatar", kOpenApi, add_routes}; }

}  // namespace rushes::server
