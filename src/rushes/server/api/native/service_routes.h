// What tells operators and programs how the server does: /health, /ready, /props, /metrics, /v1/log.
#pragma once
#include "rushes/server/api/native/webrtc_routes.h"
#include "rushes/server/http/connection.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

/// `service` and `sessions` must outlive the router.
void add_service_routes(Router& router, const Service& service, const SessionStore& sessions,
                        const WebRtcLimits& webrtc, const std::string& version);
/// GET /openapi.json: what `router` serves. It and `sessions` must outlive the route.
Route openapi_route(const Router& router, const SessionStore& sessions, std::string version);

/// Of this process.
int64_t resident_bytes();

/// Prometheus text exposition format 0.0.4.
std::string metrics_text(const Service& service, const SessionStore& sessions, const WebRtcLimits& webrtc,
                         const std::string& version);

}  // namespace rushes::server
