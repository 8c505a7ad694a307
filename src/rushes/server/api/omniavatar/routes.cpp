#include "rushes/server/api/omniavatar/routes.h"

#include "rushes/server/api/omniavatar/generations.h"
#include "rushes/server/api/omniavatar/openapi.json.h"
#include "rushes/server/api/omniavatar/streams.h"
#include "rushes/server/http/connection.h"

namespace rushes::server {
namespace {

using namespace omniavatar;

void add_routes(Router& router, const ApiContext& context) {
  const auto studio = std::make_shared<Studio>(context.sessions, context.work);
  const auto generations = std::make_shared<Generations>(studio, context.options.assistant);
  const auto endpoint = std::make_shared<socket_io::Endpoint>(context.options.socket_io, generations->app(),
                                                              context.work, context.service.access);
  endpoint->add_routes(router, "/socket.io");
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
