#include "rushes/server/api/native/api.h"

#include "rushes/server/api/native/model_routes.h"
#include "rushes/server/api/native/openapi.json.h"
#include "rushes/server/api/native/recording_routes.h"
#include "rushes/server/api/native/routes.h"
#include "rushes/server/api/native/rtmp_routes.h"
#include "rushes/server/api/native/service_routes.h"
#include "rushes/server/api/native/speech_routes.h"
#include "rushes/server/api/native/watch_routes.h"
#include "rushes/server/api/native/webrtc_routes.h"
#include "rushes/server/api/openapi.h"
#include "rushes/server/api/request_schema.h"
#include "rushes/server/server.h"

namespace rushes::server {
namespace {

void add_routes(Router& router, const ApiContext& context) {
  add_native_routes(router, context.sessions, context.work);
  add_model_routes(router, context.sessions);
  add_watch_routes(router, context.sessions);
  add_recording_routes(router, context.sessions);
  add_rtmp_routes(router, context.sessions, context.options.push_hosts);
  add_speech_routes(router, context.sessions, context.work);
  add_webrtc_routes(router, context.sessions, context.work, context.options.webrtc);
  add_service_routes(router, context.service, context.sessions, context.options.webrtc, context.options.version);
}

Json schemas(const ServedModels& models) {
  std::vector<std::string_view> numbers;
  for (const OptionField& field : generation::request_fields()) numbers.push_back(field.name);
  return {{"SessionRequest",
           with_fields(written_schema("native", "SessionRequest"), SeedMay::be_named_only, numbers, models.all())}};
}

}  // namespace

Api native_api() { return {"native", kOpenApi, add_routes, schemas, true}; }

}  // namespace rushes::server
