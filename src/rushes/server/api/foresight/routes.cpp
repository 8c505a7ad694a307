#include "rushes/server/api/foresight/routes.h"

#include <cmath>

#include "rushes/server/api/foresight/answers.h"
#include "rushes/server/api/foresight/chat.h"
#include "rushes/server/api/foresight/openapi.json.h"
#include "rushes/server/api/foresight/predictions.h"
#include "rushes/server/api/foresight/video_file.h"
#include "rushes/server/http/access.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/http/connection.h"
#include "rushes/server/http/multipart.h"
#include "rushes/server/http/static_files.h"
#include "rushes/server/http/text_case.h"

namespace rushes::server {
namespace {

using namespace foresight;

constexpr std::size_t kMaxRequestBytes = 16 << 20;
constexpr std::size_t kMaxUploadBytes = 10 << 20;
constexpr std::size_t kMaxFormBytes = 64 << 10;  // around the file
constexpr const char* kTooLarge = "File too large (max 10MB)";

std::shared_ptr<const Predictor> predictor_of(const ApiContext& context) {
  return std::make_shared<const Predictor>(context.sessions, context.work, context.options.chat);
}

// ---- what there is ----

// GET /api/status. What is not known here is null, as published.
Json status_of(const Predictor& predictor) {
  const auto model = predictor.model();
  const bool is_loaded = model && model->state == ServedModels::State::loaded;
  const bool has_failed = model && model->state == ServedModels::State::failed;
  // The first question loads one that nobody has used: who waits for `ready` must not wait for ever.
  const bool is_loaded_when_used = model && model->state == ServedModels::State::unloaded;
  const Json error = !model       ? Json("this server has no such model; give one with --model")
                     : has_failed ? Json(model->failure)
                                  : Json(nullptr);
  return {{"ready", is_loaded || is_loaded_when_used},
          {"model_loaded", is_loaded},
          {"mock_mode", false},
          {"modal_mode", false},
          {"inference_mode", "local"},
          {"vram_usage_gb", nullptr},
          {"vram_total_gb", nullptr},
          {"current_model", model ? Json(model->name) : Json(nullptr)},
          {"error", error}};
}

/// Whole numbers without a fraction, as published.
Json number_json(double number) {
  return number == std::floor(number) ? Json(static_cast<int64_t>(number)) : Json(number);
}

// GET /api/config: what a question without numbers gives.
Json config_of(const Predictor& predictor) {
  Json config{{"inference_mode", "local"}, {"mock_mode", false},         {"modal_mode", false},
              {"modal_app_name", nullptr}, {"num_frames", 30},           {"fps", 15},
              {"resolution", {512, 512}},  {"use_hybrid_encoder", false}};
  const auto model = predictor.model();
  if (!model) return config;
  const Predictor::Usual usual = predictor.usual(*model);
  if (const auto& format = usual.format) {
    config["num_frames"] = format->video_frames.value_or(0);
    config["fps"] = number_json(format->fps);
    config["resolution"] = {format->width, format->height};
  }
  config["use_hybrid_encoder"] = usual.uses_adapter;
  return config;
}

// ---- POST /api/upload: the picture as a data URL; nothing is kept ----

InvalidBody missing_file() {
  InvalidBody invalid;
  invalid.detail.push_back(
      {{"type", "missing"}, {"loc", {"body", "file"}}, {"msg", "Field required"}, {"input", nullptr}});
  return invalid;
}

Response upload(const Request& request) {
  if (media_type(request.header("content-type")) != "multipart/form-data") return invalid_answer(missing_file());
  std::vector<FormPart> parts;
  try {
    parts = parse_multipart(request.header("content-type"), request.body);
  } catch (const Error& error) {
    return plain_answer(http_status(error.code()), error.what());
  }
  const auto file = std::find_if(parts.begin(), parts.end(),
                                 [](const FormPart& part) { return part.name == "file" && part.file_name; });
  if (file == parts.end()) return invalid_answer(missing_file());
  if (!starts_with_name(file->content_type, "image/"))
    return error_answer(400, "File must be an image", "INVALID_FILE_TYPE");
  if (file->content.size() > kMaxUploadBytes) return error_answer(400, kTooLarge, "FILE_TOO_LARGE");
  const auto* bytes = reinterpret_cast<const uint8_t*>(file->content.data());
  return json_response(
      200, {{"url", fmt::format("data:{};base64,{}", file->content_type, encode_base64({bytes, file->content.size()}))},
            {"filename", *file->file_name}});
}

// ---- the words of refusals ----

/// What is wrong with an address, in these words.
void reword(Response& response) {
  const auto* body = std::get_if<std::string>(&response.body);
  const Json own = Json::parse(body ? *body : "", nullptr, false);
  if (!own.is_object() || !own.contains("error") || !own["error"].is_object()) return;
  response = error_answer(response.status, own["error"].value("message", ""), "INVALID_REQUEST");
}

void rephrase(const AccessOptions& access, const Request& request, Response& response) {
  if (request.method == "OPTIONS") {
    const bool is_allowed = allowed_origin(access, request).has_value();
    const bool is_preflight = request.headers.contains("access-control-request-method");
    if (!is_preflight) {
      response = plain_answer(405, "Method Not Allowed");
      return;
    }
    response.status = is_allowed ? 200 : 400;
    response.content_type = "text/plain; charset=utf-8";
    response.body = is_allowed ? "OK" : "Disallowed CORS origin";
    return;
  }
  const auto kept = std::move(response.headers);
  switch (response.status) {
    case 404: response = plain_answer(404, "Not Found"); break;
    case 405: {
      const bool is_known =
          std::any_of(kept.begin(), kept.end(), [](const auto& each) { return each.first == "Allow"; });
      response = is_known ? plain_answer(405, "Method Not Allowed") : plain_answer(404, "Not Found");
      break;
    }
    case 400: reword(response); break;
    case 413: response = error_answer(413, "the request is too large", "FILE_TOO_LARGE"); break;
    default: break;
  }
  for (const auto& [name, value] : kept)
    if (!response.has_header(name)) response.headers.emplace_back(name, value);
}

Response documentation(const Request& request) {
  Response response;
  response.content_type = "text/html; charset=utf-8";
  response.body = fmt::format(
      "<!doctype html>\n<html><head><title>Foresight - API</title></head>\n<body><h1>Foresight</h1>\n<p>Its routes are "
      "described in <a href=\"{}\">openapi.json</a> (OpenAPI 3.1).</p></body></html>\n",
      request.address("/openapi.json"));
  return response;
}

/// Adds routes of one set, all with its words.
class Routes {
 public:
  Routes(Router& router, Rephrase words) : router_(router), words_(std::move(words)) { router.rephrase(words_); }

  template <typename Set>
  void add(const char* method, const char* pattern, Set set) {
    Route route;
    route.method = method;
    route.pattern = pattern;
    route.rephrase = words_;
    set(route);
    router_.add(std::move(route));
  }
  void get(const char* pattern, std::function<Response(const Request&)> answer) {
    add("GET", pattern, [&](Route& route) { route.answer = std::move(answer); });
  }
  /// The file that the last part of the path, `name`, names behind `prefix`.
  void get_video(const char* pattern, const char* name, const char* prefix,
                 const std::shared_ptr<const Predictor>& predictor) {
    add("GET", pattern, [&](Route& route) {
      route.answer_later = [predictor, name, prefix](const Request& request) {
        return video_file(request, predictor->sessions(), request.path_value(name), prefix);
      };
    });
  }

 private:
  Router& router_;
  const Rephrase words_;
};

void add_chat_routes(Routes& routes, const std::shared_ptr<const Predictor>& predictor,
                     const std::shared_ptr<Chats>& chats) {
  routes.add("GET", "/api/health", [](Route& route) {
    route.access = Route::Access::open;
    route.yields = true;  // others have one of this name
    route.answer = [](const Request&) { return json_response(200, {{"status", "healthy"}}); };
  });
  routes.get("/api/status", [predictor](const Request&) { return json_response(200, status_of(*predictor)); });
  routes.get("/api/config", [predictor](const Request&) { return json_response(200, config_of(*predictor)); });
  routes.add("POST", "/api/chat", [&](Route& route) {
    route.max_body_bytes = kMaxRequestBytes;
    route.answer_later = [predictor](const Request& request) { return answer_whole(predictor, request); };
  });
  routes.add("POST", "/api/upload", [&](Route& route) {
    route.max_body_bytes = kMaxUploadBytes + kMaxFormBytes;
    route.rephrase = [words = route.rephrase](const Request& request, Response& response) {
      if (response.status == 413) response = error_answer(400, kTooLarge, "FILE_TOO_LARGE");
      words(request, response);
    };
    route.answer_later = [predictor](const Request& request) -> net::awaitable<Response> {
      auto reading = predictor->work().run_if_large(request.body.size(), [&] { return upload(request); });
      co_return co_await std::move(reading);
    };
  });
  routes.add("GET", "/ws/chat", [&](Route& route) {
    route.max_message_bytes = predictor->options().message_bytes;
    route.feed = [predictor, chats](const Request&) -> Feed {
      return [predictor, chats](WebSocket& socket) { return converse(predictor, chats, socket); };
    };
  });
  routes.get_video("/api/static/{chat_video_file}", "chat_video_file", "video_", predictor);
}

void add_prediction_routes(Routes& routes, const std::shared_ptr<const Predictor>& predictor,
                           const std::shared_ptr<Predictions>& predictions) {
  routes.add("POST", "/api/predict", [&](Route& route) {
    route.max_body_bytes = kMaxRequestBytes;
    route.answer_later = [predictions](const Request& request) { return predictions->predict(request); };
  });
  routes.add("GET", "/api/ws/{prediction_id}", [&](Route& route) {
    route.feed = [predictions](const Request& request) {
      const std::string frames = request.query_value("frames").value_or("json");
      require(frames == "json" || frames == "binary", ErrorCode::invalid_argument,
              "frames must be json or binary (got '{}')", frames.substr(0, 64));
      return predictions->follow(request.path_value("prediction_id"), frames == "binary");
    };
  });
  routes.get_video("/api/videos/{prediction_file}", "prediction_file", "", predictor);
}

/// Files of a folder that is there at the start; paths of three parts at most.
void add_static_routes(Routes& routes, const std::filesystem::path& directory) {
  std::error_code missing;
  if (directory.empty() || !std::filesystem::is_directory(directory, missing)) return;
  const auto serve = [directory](const Request& request) {
    Request below;
    below.method = request.method;
    below.headers = request.headers;
    below.path = request.path.substr(std::string_view("/static").size());
    try {
      return serve_static(directory, below);
    } catch (const Error&) {
      return plain_answer(404, "Not Found");
    }
  };
  for (const char* pattern : {"/static/{static_file}", "/static/{static_folder}/{static_file}",
                              "/static/{static_folder}/{static_subfolder}/{static_file}"})
    routes.get(pattern, serve);
}

void add_routes(Router& router, const ApiContext& context) {
  const auto predictor = predictor_of(context);
  const auto chats = std::make_shared<Chats>();
  const auto predictions = std::make_shared<Predictions>(predictor);
  context.sweeps.push_back([predictor, chats, predictions] {
    predictions->sweep();
    if (predictor->sessions().draining()) chats->wake_all();
  });
  Routes routes(router, [&access = context.service.access](const Request& request, Response& response) {
    rephrase(access, request, response);
  });
  add_chat_routes(routes, predictor, chats);
  add_prediction_routes(routes, predictor, predictions);
  add_static_routes(routes, context.options.chat.static_directory);
  for (const char* pattern : {"/docs", "/redoc"})
    routes.add("GET", pattern, [](Route& route) {
      route.access = Route::Access::open;
      route.when_named = true;
      route.answer = documentation;
    });
}

}  // namespace

Api foresight_api() {
  // The published page's development server.
  static constexpr std::string_view kOrigins[] = {"http://localhost:3000", "http://127.0.0.1:3000"};
  return {.name = "foresight", .openapi = kOpenApi, .add_routes = add_routes, .origins = kOrigins};
}

}  // namespace rushes::server
