#include "rushes/server/api/vllm_omni/messages.h"

#include <array>
#include <limits>
#include <map>
#include <utility>

#include "rushes/server/api/native/json_fields.h"
#include "rushes/server/api/native/session_request.h"

namespace rushes::server {
namespace {

constexpr std::size_t kMaxEventIdBytes = 128;

std::string string_of(const Json& object, const char* field, std::string_view where) {
  require(object.contains(field) && object[field].is_string(), ErrorCode::invalid_argument, "{}.{} must be a string",
          where, field);
  return object[field].get<std::string>();
}

}  // namespace

ClientMessage parse_client_message(std::string_view text) {
  const JsonFields checked(text);  // an object, with no field twice
  Json fields = Json::parse(text);
  const std::string type =
      fields.contains("type") && fields["type"].is_string() ? fields["type"].get<std::string>() : "";
  static constexpr std::pair<std::string_view, ClientMessage::Type> kTypes[] = {
      {"session.start", ClientMessage::Type::start},
      {"session.interaction", ClientMessage::Type::interaction},
      {"session.stop", ClientMessage::Type::stop},
      {"session.ping", ClientMessage::Type::ping}};
  for (const auto& [name, value] : kTypes)
    if (type == name) return {value, std::move(fields)};
  fail(ErrorCode::invalid_argument,
       "type must be session.start, session.interaction, session.stop or session.ping (got '{}')", type.substr(0, 64));
}

generation::Request parse_start(const Json& fields, const generation::Model& model, std::string_view model_name) {
  static const std::map<std::string_view, std::string_view> kOptions{
      {"num_inference_steps", "steps"}, {"guidance_scale", "guidance_scale"}, {"negative_prompt", "negative_prompt"}};
  const std::string format =
      fields.value("format", Json("m4s")).is_string() ? fields.value("format", std::string("m4s")) : "";
  require(format == "m4s", ErrorCode::invalid_argument, "format must be m4s");
  nlohmann::json common = nlohmann::json::object(), options = nlohmann::json::object();
  generation::Request request;
  request.prompts = {checked_prompt("prompt", string_of(fields, "prompt", "session.start"))};
  for (const auto& [name, value] : fields.items()) {
    if (name == "type" || name == "format" || name == "prompt" || name == "extra_params") continue;
    if (name == "image_reference") {
      require(value.is_object(), ErrorCode::invalid_argument,
              "image_reference must be {{\"image_url\": \"data:image/png;base64,...\"}}");
      request.image = decode_image("image_reference", string_of(value, "image_url", "image_reference"));
      continue;
    }
    require(!value.is_structured(), ErrorCode::invalid_argument, "{} must be a string or a number", name);
    if (const auto option = kOptions.find(name); option != kOptions.end())
      options[std::string(option->second)] = value;
    else
      common[name] = value;
  }
  JsonFields known = JsonFields::of(std::move(common));
  known.declare("model");
  request.video_frames = known.integer("num_frames", 1, std::numeric_limits<int32_t>::max());
  request.fps = known.number("fps", 1, 240);
  request.seed = known.integer("seed", 0, std::numeric_limits<int64_t>::max()).value_or(0);
  read_size(known, request);
  for (const auto& [name, option] : kOptions) known.declare(name);
  known.require_all_known();
  check_model(known, model_name);
  JsonFields of_model = JsonFields::of(std::move(options));
  read_options(of_model, model, request);
  of_model.require_all_known();
  return request;
}

Interaction parse_interaction(const Json& fields, int64_t number) {
  require(fields.contains("interaction") && fields["interaction"].is_object(), ErrorCode::invalid_argument,
          "interaction must be an object");
  const Json& interaction = fields["interaction"];
  require(interaction.contains("event") && interaction["event"].is_object(), ErrorCode::invalid_argument,
          "interaction.event must be an object");
  require(!interaction["event"].contains("multi_modal_data"), ErrorCode::invalid_argument,
          "this model does not accept camera input; interaction.event can have a prompt");
  Interaction parsed;
  parsed.prompt = checked_prompt("prompt", string_of(interaction["event"], "prompt", "interaction.event"));
  parsed.event_id = interaction.contains("event_id") && !interaction["event_id"].is_null()
                        ? string_of(interaction, "event_id", "interaction")
                        : fmt::format("interaction-{}", number);
  require(parsed.event_id.size() <= kMaxEventIdBytes, ErrorCode::invalid_argument,
          "interaction.event_id can have at most {} bytes", kMaxEventIdBytes);
  return parsed;
}

std::optional<std::string> PendingInteractions::take(std::string_view prompt) {
  for (std::size_t i = waiting_.size(); i-- > 0;) {
    if (waiting_[i].prompt != prompt) continue;
    std::string id = std::move(waiting_[i].event_id);
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    return id;
  }
  return std::nullopt;
}

}  // namespace rushes::server
