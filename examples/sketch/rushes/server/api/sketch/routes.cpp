#include "rushes/server/api/sketch/routes.h"

#include "rushes/server/api/native/json_fields.h"
#include "rushes/server/api/sketch/dialect.h"
#include "rushes/server/api/sketch/openapi.json.h"
#include "rushes/server/streaming/pump.h"

namespace rushes::server {
namespace {

/// The first of the server's models that is of this family.
std::string model_name(const SessionStore& sessions) {
  for (const ServedModels::Status& model : sessions.models().all())
    if (model.family == "sketch" && model.state == ServedModels::State::loaded) return model.name;
  fail(ErrorCode::unavailable, "this server has no model that sketches, or it is not loaded");
}

// POST /sketch {"prompt": "a red circle", "radius": 20}: a session, told as it happens, a JSON object a line. It ends
// when its client leaves. 400 for the request, 429 at the limit, 503 without a model.
Response sketch(SessionStore& sessions, const Request& request) {
  JsonFields fields(request.body);
  auto prompt = fields.string("prompt");
  require(prompt.has_value(), ErrorCode::invalid_argument, "prompt is missing");
  generation::Request wanted;
  wanted.prompts = {std::move(*prompt)};
  if (auto radius = fields.option("radius")) wanted.options.set("radius", std::move(*radius));
  fields.require_all_known();
  const std::string model = model_name(sessions);
  const Hosted made = sessions.create(std::move(wanted), {.model = model});
  const Interest interest{.events = Interest::Events{}};
  return streamed_response(std::make_shared<Pump>(made, interest, std::make_unique<SketchDialect>()),
                           {.framing = Framing::ndjson, .stops_session = true});
}

void add_routes(Router& router, const ApiContext& context) {
  router.answer("POST", "/sketch",
                [&sessions = context.sessions](const Request& request) { return sketch(sessions, request); });
}

}  // namespace

Api sketch_api() { return {"sketch", kOpenApi, add_routes}; }

}  // namespace rushes::server
