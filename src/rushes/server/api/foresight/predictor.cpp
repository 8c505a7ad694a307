#include "rushes/server/api/foresight/predictor.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "rushes/server/api/foresight/pictures.h"
#include "rushes/server/api/native/session_request.h"
#include "rushes/server/api/video_fields.h"
#include "rushes/server/sessions/inputs_memory.h"

namespace rushes::server::foresight {
namespace {

constexpr std::string_view kFamily = "foresight";

/// Of several one must know which is meant.
Image decode_named(const Question& question, std::size_t index, const ImageLimits& limits,
                   const std::function<void(int64_t)>& admit) {
  try {
    return decode_picture(question.pictures[index], limits, admit);
  } catch (const BadPicture& bad) {
    if (question.pictures.size() == 1) throw;
    throw BadPicture(bad.fault(), bad.code(), question.picture_names[index] + ": " + bad.what());
  }
}

/// All of the conversation's, the newest drives the video.
void read_pictures(const Question& question, const ImageLimits& limits, base::MemoryBudget::Charge& memory,
                   generation::Request& request) {
  memory.resize(0);
  const auto admit = [&](int64_t bytes) { charge_inputs(memory, memory.bytes() + bytes); };
  for (std::size_t i = 0; i < question.pictures.size(); ++i) {
    Image image = decode_named(question, i, limits, admit);
    if (request.image) request.earlier_images.push_back(std::move(*request.image));
    request.image = std::move(image);
  }
}

/// A preset goes before sizes and lengths that the server is set to.
void read_defaults(const ChatOptions& options, const Question& question, std::span<const OptionField> known,
                   generation::Request& request) {
  nlohmann::json given = nlohmann::json::object();
  for (const auto& [name, value] : options.defaults) given[name] = typed_field(name, value);
  JsonFields fields = JsonFields::of(std::move(given));
  const auto video_frames = fields.integer(generation::request_field("frames"));
  request.fps = fields.number(generation::request_field("fps"));
  read_size(fields, request);
  server::read_options(fields, known, request);
  fields.require_all_known();
  if (question.preset) request.width = request.height = std::nullopt;
  if (!question.preset) request.video_frames = video_frames;
}

void read_options(const Question& question, const generation::Model& model, generation::Request& request) {
  if (question.video_frames) request.video_frames = question.video_frames;
  if (question.fps) request.fps = question.fps;
  if (question.preset) {
    const OptionField* field = find_field(model.options(), "preset");
    const std::vector<std::string> known = field ? field->choices : std::vector<std::string>();
    if (std::find(known.begin(), known.end(), *question.preset) == known.end())
      throw BadPreset(ErrorCode::invalid_argument,
                      fmt::format("there is no preset '{}'; the presets are: {}", question.preset->substr(0, 100),
                                  fmt::join(known, ", ")));
    request.options.set("preset", *question.preset);
  }
  if (question.pictures.empty())
    request.options.set("tracks", std::string("text"));
  else if (question.tracks)
    request.options.set("tracks", *question.tracks);
  if (question.previews && find_field(model.options(), "previews")) request.options.set("previews", *question.previews);
  if (question.fit && find_field(model.options(), "fit")) request.options.set("fit", *question.fit);
}

std::unique_ptr<generation::Plan> plan_of(const generation::Model& model, const generation::Request& request) {
  try {
    return model.plan(request);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::too_large) throw;
    throw BeyondModel(error.code(), error.what());
  }
}

/// The client asked for it, or might have: not a default of the server's, which may well have no effect.
bool is_asked(const ChatOptions& options, const Question& question, const std::string& field) {
  const bool is_default = std::any_of(options.defaults.begin(), options.defaults.end(),
                                      [&](const auto& each) { return each.first == field; });
  return !is_default || (field == "frames" && question.video_frames) || (field == "fps" && question.fps) ||
         (field == "preset" && question.preset) || (field == "previews" && question.previews);
}

}  // namespace

std::optional<ServedModels::Status> Predictor::model() const {
  for (ServedModels::Status& model : sessions_.models().all())
    if (model.family == kFamily) return std::move(model);
  return std::nullopt;
}

ServedModels::Status Predictor::model_for(const Question& question) const {
  std::optional<ServedModels::Status> first = model();
  require(first.has_value(), ErrorCode::unavailable, "this server has no model of the family {}; give one with --model",
          kFamily);
  if (!question.model) return std::move(*first);
  ServedModels::Status named = sessions_.models().status(*question.model);
  require(named.family == kFamily, ErrorCode::not_found, "model '{}' is not of the family {}", named.name, kFamily);
  return named;
}

Predictor::Usual Predictor::usual(const ServedModels::Status& model) const {
  constexpr const char* kConditioning = "conditioning";
  generation::Request request;
  read_defaults(options_, {}, model.options, request);
  Usual usual;
  if (const OptionField* field = find_field(model.options, kConditioning)) {
    const auto* standard = std::get_if<std::string>(&field->standard);
    const auto chosen = request.options.get<std::string>(kConditioning);
    usual.uses_adapter = chosen ? *chosen == "adapter" : standard && *standard == "adapter";
    request.options.set(kConditioning, std::string("prompt"));  // here is no picture for an adapter
  }
  if (model.state == ServedModels::State::loaded) {
    usual.format = sessions_.models().model(model.name)->plan(request)->format();
  } else if (model.format) {
    try {
      usual.format = model.format(request);
    } catch (const Error&) {  // loading says what is wrong with its files
    }
  }
  return usual;
}

net::awaitable<Hosted> Predictor::begin(Question question, Watch watch) const {
  const std::string name = model_for(question).name;
  auto loading = sessions_.models().load(name);
  co_await std::move(loading);
  const auto model = sessions_.models().model(name);
  generation::Request request;
  std::unique_ptr<generation::Plan> plan;
  base::MemoryBudget::Charge memory = sessions_.inputs().charge();
  auto preparing = decode_inputs(sessions_, work_, [&] {
    request = {};
    if (question.asks_something()) request.prompts = {question.prompt};
    request.ignored = question.ignored;
    request.seed = question.seed.value_or(generation::random_seed());
    read_defaults(options_, question, model->options(), request);
    read_options(question, *model, request);
    read_pictures(question, model->capabilities().pictures, memory, request);
    question.pictures = {};  // decoded
    plan = plan_of(*model, request);
    std::erase_if(plan->ignored, [&](const auto& each) { return !is_asked(options_, question, each.field); });
    for (generation::Ignored& each : plan->ignored)
      if (each.field == "frames") each.field = "num_frames";  // as its client knows it
    return true;
  });
  co_await std::move(preparing);
  NewSession how{.model = name,
                 .retention = {.idle = options_.kept, .removed = true},
                 .before = std::move(watch),
                 .inputs = std::move(memory)};
  co_return sessions_.create(std::move(request), std::move(how), std::move(plan));
}

}  // namespace rushes::server::foresight
