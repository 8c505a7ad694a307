#include "rushes/server/api/native/model_routes.h"

#include <algorithm>
#include <vector>

#include "rushes/server/api/native/json_fields.h"
#include "rushes/server/http/static_files.h"

namespace rushes::server {
namespace {

namespace fs = std::filesystem;

Json words_of(generation::Modalities modalities) {
  Json words = Json::array();
  for (const generation::Modality each : generation::kModalities)
    if (modalities.has(each)) words.push_back(name(each));
  return words;
}

/// An option as a form or a slider needs it.
Json option_json(const OptionField& field) {
  Json json{{"name", field.name},
            {"type", name(field.type)},
            {"doc", field.doc},
            {"allowed", field.allowed()},
            {"default", option_value_json(field.standard)},
            {"live", field.live}};
  if (field.json) json["json"] = true;
  if (field.type == OptionType::integer || field.type == OptionType::number || field.type == OptionType::numbers) {
    json["least"] = field.least;
    json["most"] = field.most;
  }
  if (field.type == OptionType::numbers) {
    json["least_count"] = field.least_count;
    json["most_count"] = field.most_count;
  }
  if (!field.choices.empty()) json["choices"] = field.choices;
  if (!field.aliases.empty()) json["aliases"] = field.aliases;
  return json;
}

Json capabilities_json(const generation::Capabilities& capabilities) {
  return {{"takes", words_of(capabilities.takes)}, {"needs", words_of(capabilities.needs)},
          {"feeds", words_of(capabilities.feeds)}, {"yields", words_of(capabilities.yields)},
          {"forks", capabilities.forks},           {"endless", capabilities.endless}};
}

/// Null: nothing is known.
Json trained_for_json(const TrainedFor& trained_for) {
  if (!trained_for.is_known()) return nullptr;
  Json sizes = Json::array();
  for (const FrameSize& each : trained_for.sizes) sizes.push_back({{"width", each.width}, {"height", each.height}});
  return {{"sizes", std::move(sizes)},
          {"frames", trained_for.video_frames > 0 ? Json(trained_for.video_frames) : Json(nullptr)}};
}

/// The files of a folder whose type begins so, by name.
Json examples_of(const ServedModels::Status& model, std::string_view type, const Request& request) {
  std::vector<fs::path> files;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(model.examples, missing))
    if (entry.is_regular_file(missing) && mime_type(entry.path()).starts_with(type)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  Json list = Json::array();
  for (const fs::path& file : files)
    list.push_back({{"name", file.stem().string()},
                    {"url", request.address(fmt::format("/v1/models/{}/examples/{}", percent_encode(model.name),
                                                        percent_encode(file.filename().string())))}});
  return list;
}

Json model_json(const ServedModels::Status& model, const Request& request) {
  Json options = Json::array();
  for (const OptionField& field : model.options) options.push_back(option_json(field));
  return {{"name", model.name},
          {"aliases", model.aliases},
          {"family", model.family},
          {"description", model.description},
          {"assumptions", model.assumptions},
          {"trained_for", trained_for_json(model.trained_for)},
          {"words", model.words.phrases},
          {"state", name(model.state)},
          {"default", model.is_default},
          {"sessions", model.sessions},
          {"error", model.failure.empty() ? Json(nullptr) : Json(model.failure)},
          {"capabilities", capabilities_json(model.capabilities)},
          {"options", std::move(options)},
          {"examples",
           {{"images", examples_of(model, "image/", request)}, {"audio", examples_of(model, "audio/", request)}}}};
}

/// What clients of OpenAI-style servers read. `root`: the model's own name.
Json card(const ServedModels::Status& model, const std::string& name) {
  return {{"id", name}, {"object", "model"}, {"created", 0}, {"owned_by", "rushes"}, {"root", model.name}};
}

Response list_models(const SessionStore& sessions, const Request& request) {
  Json cards = Json::array(), models = Json::array();
  for (const ServedModels::Status& model : sessions.models().all()) {
    cards.push_back(card(model, model.name));
    for (const std::string& alias : model.aliases) cards.push_back(card(model, alias));
    models.push_back(model_json(model, request));
  }
  return json_response(200, {{"object", "list"}, {"data", std::move(cards)}, {"models", std::move(models)}});
}

Response answer_status(const SessionStore& sessions, const std::string& model, const Request& request) {
  const ServedModels::Status status = sessions.models().status(model);
  Json json = card(status, status.name);
  json.update(model_json(status, request));
  return json_response(200, json);
}

Response get_model(const SessionStore& sessions, const Request& request) {
  return answer_status(sessions, request.path_value("model"), request);
}

// POST /v1/models/{model}/load: 200 when it is loaded, which may take minutes.
net::awaitable<Response> load_model(SessionStore& sessions, const Request& request) {
  const std::string& model = request.path_value("model");
  auto loading = sessions.models().load(model);
  co_await std::move(loading);
  co_return answer_status(sessions, model, request);
}

// POST /v1/models/{model}/unload: 409 if sessions use it, or for the default.
Response unload_model(SessionStore& sessions, const Request& request) {
  const std::string& model = request.path_value("model");
  sessions.models().unload(model);
  return answer_status(sessions, model, request);
}

// GET /v1/models/{model}/examples/{example}: a picture or speech to try the model with.
Response get_example(const SessionStore& sessions, const Request& request) {
  const ServedModels::Status model = sessions.models().status(request.path_value("model"));
  const auto file =
      model.examples.empty() ? std::nullopt : static_file(model.examples, "/" + request.path_value("example"));
  require(file.has_value(), ErrorCode::not_found, "the model {} has no such example; GET /v1/models/{} lists them",
          model.name, model.name);
  return file_response(request, *file, std::string(mime_type(*file)));
}

}  // namespace

void add_model_routes(Router& router, SessionStore& sessions) {
  const auto bound = [&sessions](auto function) {
    return [&sessions, function](const Request& request) { return function(sessions, request); };
  };
  router.answer("GET", "/v1/models", bound(list_models));
  router.answer("GET", "/v1/models/{model}", bound(get_model));
  router.answer_later("POST", "/v1/models/{model}/load", bound(load_model));
  router.answer("POST", "/v1/models/{model}/unload", bound(unload_model));
  router.answer("GET", "/v1/models/{model}/examples/{example}", bound(get_example));
}

}  // namespace rushes::server
