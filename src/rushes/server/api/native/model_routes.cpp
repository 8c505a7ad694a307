#include "rushes/server/api/native/model_routes.h"

namespace rushes::server {
namespace {

Json model_json(const ModelShelf::Status& model) {
  return {{"name", model.name},         {"description", model.description},
          {"state", name(model.state)}, {"default", model.is_default},
          {"sessions", model.sessions}, {"error", model.failure.empty() ? Json(nullptr) : Json(model.failure)}};
}

/// What clients of OpenAI-style servers read.
Json card(const ModelShelf::Status& model) {
  return {{"id", model.name}, {"object", "model"}, {"created", 0}, {"owned_by", "rushes"}};
}

Response list_models(const SessionTable& sessions, const Request&) {
  Json cards = Json::array(), models = Json::array();
  for (const ModelShelf::Status& model : sessions.models().all()) {
    cards.push_back(card(model));
    models.push_back(model_json(model));
  }
  return json_response(200, {{"object", "list"}, {"data", std::move(cards)}, {"models", std::move(models)}});
}

Response answer_status(const SessionTable& sessions, const std::string& model) {
  const ModelShelf::Status status = sessions.models().status(model);
  Json json = card(status);
  json.update(model_json(status));
  return json_response(200, json);
}

Response get_model(const SessionTable& sessions, const Request& request) {
  return answer_status(sessions, request.path_value("model"));
}

// POST /v1/models/{model}/load: 200 when it is loaded, which may take minutes.
net::awaitable<Response> load_model(SessionTable& sessions, const Request& request) {
  const std::string& model = request.path_value("model");
  auto loading = sessions.models().load(model);
  co_await std::move(loading);
  co_return answer_status(sessions, model);
}

// POST /v1/models/{model}/unload: 409 if sessions use it, or for the default.
Response unload_model(SessionTable& sessions, const Request& request) {
  const std::string& model = request.path_value("model");
  sessions.models().unload(model);
  return answer_status(sessions, model);
}

}  // namespace

void add_model_routes(Router& router, SessionTable& sessions) {
  const auto add = [&](std::string method, std::string pattern) -> Route {
    Route route;
    route.method = std::move(method);
    route.pattern = std::move(pattern);
    return route;
  };
  const auto bound = [&sessions](auto function) {
    return [&sessions, function](const Request& request) { return function(sessions, request); };
  };
  Route list = add("GET", "/v1/models"), get = add("GET", "/v1/models/{model}");
  Route load = add("POST", "/v1/models/{model}/load"), unload = add("POST", "/v1/models/{model}/unload");
  list.answer = bound(list_models);
  get.answer = bound(get_model);
  load.answer_later = bound(load_model);
  unload.answer = bound(unload_model);
  for (Route* route : {&list, &get, &load, &unload}) router.add(std::move(*route));
}

}  // namespace rushes::server
