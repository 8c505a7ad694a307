#include "rushes/server/api/vllm_omni/messages.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "rushes/generation/session.h"
#include "rushes/server/api/json_check.h"
#include "rushes/server/api/native/json_fields.h"
#include "rushes/server/api/native/session_request.h"
#include "rushes/server/api/video_fields.h"

namespace rushes::server {
namespace {

constexpr std::size_t kMaxEventIdBytes = 128, kRememberedIds = 1024;

std::string string_of(const Json& object, const char* field, std::string_view where) {
  require(object.contains(field) && object[field].is_string(), ErrorCode::invalid_argument, "{}.{} must be a string",
          where, field);
  return object[field].get<std::string>();
}

}  // namespace

ClientMessage parse_client_message(std::string_view given) {
  std::string kept;
  const std::string_view text = whole_characters(given, kept);
  const JsonFields checked(text);  // an object, with no field twice
  Json fields = Json::parse(text);
  const std::string type =
      fields.contains("type") && fields["type"].is_string() ? fields["type"].get<std::string>() : "";
  static constexpr std::pair<std::string_view, ClientMessage::Type> kTypes[] = {
      {"session.start", ClientMessage::Type::start},
      {"session.interaction", ClientMessage::Type::interaction},
      {"session.stop", ClientMessage::Type::stop},
      {"session.ping", ClientMessage::Type::ping},
      {"session.playback", ClientMessage::Type::playback}};
  for (const auto& [name, value] : kTypes)
    if (type == name) return {value, std::move(fields)};
  fail(ErrorCode::invalid_argument,
       "type must be session.start, session.interaction, session.stop, session.ping or session.playback (got '{}')",
       type.substr(0, 64));
}

generation::Request parse_start(const Json& fields, const generation::Model& model,
                                const std::function<void(int64_t)>& admit) {
  const std::string format =
      fields.value("format", Json("m4s")).is_string() ? fields.value("format", std::string("m4s")) : "";
  require(format == "m4s", ErrorCode::invalid_argument, "format must be m4s");
  const std::string prompt = checked_prompt("prompt", string_of(fields, "prompt", "session.start"));
  nlohmann::json given = fields;
  for (const char* read_before : {"type", "format"}) given.erase(read_before);
  generation::Request request =
      read_video_fields(std::move(given), model, {.unknown = VideoFields::Unknown::ignored, .admit = admit});
  request.prompts = {prompt};
  return request;
}

Interaction parse_interaction(const Json& fields) {
  require(fields.contains("interaction") && fields["interaction"].is_object(), ErrorCode::invalid_argument,
          "interaction must be an object");
  const Json& interaction = fields["interaction"];
  require(interaction.contains("event") && interaction["event"].is_object(), ErrorCode::invalid_argument,
          "interaction.event must be an object");
  const Json& event = interaction["event"];
  require(!event.contains("multi_modal_data"), ErrorCode::invalid_argument,
          "this model does not accept camera input; interaction.event can have a prompt");
  require(!event.contains("negative_prompt") || event["negative_prompt"].is_null(), ErrorCode::invalid_argument,
          "interaction.event.negative_prompt is not supported: the negative prompt is that of session.start");
  Interaction parsed;
  parsed.prompt = checked_prompt("interaction.event.prompt", string_of(event, "prompt", "interaction.event"));
  parsed.event_id = interaction.contains("event_id") && !interaction["event_id"].is_null()
                        ? string_of(interaction, "event_id", "interaction")
                        : generation::SessionId::random().text();
  require(!parsed.event_id.empty() && parsed.event_id.size() <= kMaxEventIdBytes, ErrorCode::invalid_argument,
          "interaction.event_id must be a string of 1 to {} bytes", kMaxEventIdBytes);
  if (interaction.contains("transition_chunks") && !interaction["transition_chunks"].is_null()) {
    const Json& chunks = interaction["transition_chunks"];
    const double count = chunks.is_number() ? chunks.get<double>() : -1;
    require(count >= 0 && count == std::floor(count), ErrorCode::invalid_argument,
            "interaction.transition_chunks must be an integer from 0 (got {})", chunks.dump());
    if (count > 0)
      parsed.ignored.push_back(
          {"transition_chunks", "a prompt takes over at once, in the next chunk that is generated"});
  }
  return parsed;
}

void check_playback(const Json& fields) {
  const Json position = fields.value("position_seconds", Json());
  require(position.is_number() && std::isfinite(position.get<double>()) && position.get<double>() >= 0,
          ErrorCode::invalid_argument, "session.playback.position_seconds must be a number from 0");
}

void PendingInteractions::add(Interaction interaction) {
  require(std::find(used_.begin(), used_.end(), interaction.event_id) == used_.end(), ErrorCode::conflict,
          "event_id_conflict: '{}' was used before in this session", interaction.event_id);
  used_.push_back(interaction.event_id);
  if (used_.size() > kRememberedIds) used_.pop_front();
  waiting_.push_back(std::move(interaction));
}

void PendingInteractions::withdraw() {
  waiting_.pop_back();
  used_.pop_back();
}

PendingInteractions::Shown PendingInteractions::take(std::string_view prompt) {
  Shown shown;
  const auto found =
      std::find_if(waiting_.rbegin(), waiting_.rend(), [&](const Interaction& each) { return each.prompt == prompt; });
  if (found == waiting_.rend()) return shown;
  shown.started = found->event_id;
  const auto begun = found.base() - 1;
  for (auto each = waiting_.begin(); each != begun; ++each) shown.superseded.push_back(each->event_id);
  waiting_.erase(waiting_.begin(), begun + 1);
  return shown;
}

}  // namespace rushes::server
