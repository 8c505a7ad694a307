#include "rushes/server/api/ditto/routes.h"

#include "rushes/server/api/ditto/conversation.h"
#include "rushes/server/api/ditto/demo.html.h"
#include "rushes/server/api/ditto/openapi.json.h"
#include "rushes/server/http/multipart.h"
#include "rushes/server/server.h"

namespace rushes::server {
namespace {

using namespace ditto;

constexpr std::size_t kMaxUploadBytes = 64 << 20;

Response html(std::string text) {
  Response response;
  response.content_type = "text/html; charset=utf-8";
  response.body = std::move(text);
  return response;
}

/// GET /
Response about(const Request& request) {
  return html(fmt::format(
      "<!doctype html>\n<html><head><title>Ditto Streaming Server</title></head>\n<body><h1>Ditto Streaming "
      "Server</h1>\n<p>The server runs.</p>\n<p>WebSocket endpoint: "
      "<code>ws://{}{}/ws/{{client_id}}</code></p>\n<p><a href=\"demo\">Demo</a></p></body></html>\n",
      request.public_host, request.base_path));
}

Response demo(const Request&) {
  Response response = html(std::string(kDemoPage));
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src "
                                "data: blob:; connect-src 'self' ws: wss:; frame-ancestors 'self'");
  return response;
}

Response refused(std::string_view message, int status = 400) { return json_response(status, {{"error", message}}); }

/// What an upload's form has under a name; nothing: no file.
const FormPart* file_of(const std::vector<FormPart>& parts, std::string_view name) {
  for (const FormPart& part : parts)
    if (part.name == name && part.file_name && !part.file_name->empty()) return &part;
  return nullptr;
}

Response keep_uploads(ServedFiles& files, const Request& request) {
  std::vector<FormPart> parts;
  try {
    parts = parse_multipart(request.header("content-type"), request.body);
  } catch (const Error& error) {
    return refused(error.what(), http_status(error.code()));
  }
  const FormPart *audio = file_of(parts, "audio"), *source = file_of(parts, "source");
  if (!audio && !source) return refused("no files provided");
  const std::string of_audio = audio ? suffix_of(*audio->file_name) : "";
  const std::string of_source = source ? suffix_of(*source->file_name) : "";
  if (audio && !is_audio_suffix(of_audio)) return refused("unsupported audio extension: " + of_audio);
  if (source && !is_image_suffix(of_source)) return refused("unsupported image extension: " + of_source);
  Json answer;
  answer["audio_path"] = audio ? Json(files.keep(audio->content, "audio", of_audio)) : Json(nullptr);
  answer["source_path"] = source ? Json(files.keep(source->content, "source", of_source)) : Json(nullptr);
  return json_response(200, answer);
}

/// What its routes share.
struct DittoServer {
  explicit DittoServer(const ApiContext& context)
      : studio{context.sessions, context.work, context.options.frame_streams},
        files(context.options.frame_streams.file_root, context.options.data_directory / "uploads"),
        storing(context.work) {}

  const Studio studio;
  ServedFiles files;
  Clients clients;
  WorkPool::Lane storing;
};

bool wants_audio(const Request& request) {
  const std::string value = request.query_value("audio").value_or("0");
  require(value == "0" || value == "1", ErrorCode::invalid_argument, "audio must be 0 or 1 (got '{}')",
          value.substr(0, 32));
  return value == "1";
}

void add_routes(Router& router, const ApiContext& context) {
  const auto server = std::make_shared<DittoServer>(context);
  context.sweeps.push_back([server] {
    if (server->studio.sessions.draining()) server->clients.wake_all();
  });
  const auto named = [&](std::string pattern, std::function<Response(const Request&)> answer) {
    Route route;
    route.method = "GET";
    route.pattern = std::move(pattern);
    route.access = Route::Access::open;
    route.answer = std::move(answer);
    route.when_named = true;
    router.add(std::move(route));
  };
  named("/", about);
  named("/health", [server](const Request&) {
    return json_response(200, {{"status", "ok"}, {"active_streams", server->clients.active_streams()}});
  });
  router.rephrase([](const Request&, Response& refusal) {
    const bool is_unknown = refusal.status == 404 || (refusal.status == 405 && !refusal.has_header("Allow"));
    if (is_unknown) refusal = json_response(404, {{"detail", "Not Found"}});
  });
  router.answer("GET", "/demo", demo);
  router.answer_later(
      "POST", "/upload",
      [server](const Request& request) -> net::awaitable<Response> {
        auto keeping = server->storing.run([&] { return keep_uploads(server->files, request); });
        co_return co_await std::move(keeping);
      },
      kMaxUploadBytes);
  router.feed("/ws/{client_id}", [server](const Request& request) -> Feed {
    return [server, id = request.path_value("client_id"), audio = wants_audio(request)](WebSocket& socket) {
      return converse(server->studio, server->files, server->clients, id, audio, socket);
    };
  });
}

}  // namespace

Api ditto_api() { return {"ditto", kOpenApi, add_routes}; }

}  // namespace rushes::server
