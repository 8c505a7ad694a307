#include "rushes/server/api/ditto/messages.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "rushes/server/api/json_check.h"
#include "rushes/server/api/native/json_fields.h"
#include "rushes/server/http/base64.h"

namespace rushes::server::ditto {
namespace {

using nlohmann::json;

constexpr std::size_t kMostFields = 50'000;  // ctrl_info has one for each frame
constexpr int64_t kSamplesOfFrame = 640;     // 16 kHz, 25 frames a second

void read(const json& fields, const char* name, std::string& into) {
  const auto found = fields.find(name);
  if (found == fields.end() || found->is_null()) return;
  require(found->is_string(), ErrorCode::invalid_argument, "{} must be a string (got {})", name, found->type_name());
  into = found->get<std::string>();
}

void read(const json& fields, const char* name, bool& into) {
  const auto found = fields.find(name);
  if (found == fields.end() || found->is_null()) return;
  require(found->is_boolean(), ErrorCode::invalid_argument, "{} must be true or false (got {})", name,
          found->type_name());
  into = found->get<bool>();
}

void read_object(const json& fields, const char* name, json& into) {
  const auto found = fields.find(name);
  if (found == fields.end() || found->is_null()) return;
  require(found->is_object(), ErrorCode::invalid_argument, "{} must be an object (got {})", name, found->type_name());
  into = *found;
}

/// What the stock client sends where it wants nothing.
bool is_off(const json& value) {
  return value.is_null() || is_minus_one(value) || (value.is_object() && value.empty());
}

template <typename Number>
void append_big_endian(std::vector<uint8_t>& bytes, Number number) {
  for (int shift = 8 * (static_cast<int>(sizeof number) - 1); shift >= 0; shift -= 8)
    bytes.push_back(static_cast<uint8_t>(number >> shift));
}

}  // namespace

ClientMessage parse_client_message(std::string_view given) {
  std::string kept;
  const std::string_view text = whole_characters(given, kept);
  check_json(text, EqualNames::allowed, kMostFields);
  json fields = json::parse(text, nullptr, false);
  require(fields.is_object(), ErrorCode::invalid_argument, "a message must be a JSON object");
  const auto named = fields.find("type");
  const std::string type = named != fields.end() && named->is_string() ? named->get<std::string>() : "";
  using Type = ClientMessage::Type;
  static constexpr std::pair<std::string_view, Type> kTypes[] = {{"start_streaming", Type::start},
                                                                 {"stop_streaming", Type::stop},
                                                                 {"ping", Type::ping},
                                                                 {"set_options", Type::set_options}};
  for (const auto& [name, known] : kTypes)
    if (type == name) return {known, std::move(fields)};
  return {Type::unknown, std::move(fields)};
}

Start parse_start(const json& fields) {
  Start start;
  read(fields, "audio_path", start.audio_path);
  read(fields, "source_path", start.source_path);
  read_object(fields, "setup_kwargs", start.setup_kwargs);
  read_object(fields, "run_kwargs", start.run_kwargs);
  read(fields, "binary", start.binary);
  read(fields, "audio", start.audio);
  std::string pacing = "asap";
  read(fields, "pacing", pacing);
  require(pacing == "asap" || pacing == "realtime", ErrorCode::invalid_argument,
          "pacing must be asap or realtime (got '{}')", pacing.substr(0, 32));
  start.realtime = pacing == "realtime";
  return start;
}

Options options_of(const Start& start, std::span<const OptionField> fields) {
  json run = json::object();
  for (const auto& [name, value] : start.run_kwargs.items()) {
    const bool known = name == "chunksize" || name == "fade_in" || name == "fade_out" || name == "ctrl_info";
    require(known, ErrorCode::invalid_argument,
            "{} is not one of run_kwargs, which are chunksize, fade_in, fade_out, ctrl_info", name.substr(0, 64));
    if (!is_off(value)) run[name] = value;
  }
  Options options = named_options(JsonFields::of(start.setup_kwargs), fields);
  options.set_all(named_options(JsonFields::of(std::move(run)), fields));
  return options;
}

std::string shown_path(std::string_view path) {
  return std::string(is_data(path) ? path.substr(0, std::min(path.find_first_of(";,"), std::size_t{64})) : path);
}

int64_t expected_frames(int64_t samples) { return (samples + kSamplesOfFrame - 1) / kSamplesOfFrame; }

Json streaming_started(const Start& start, double now) {
  Json json{{"type", "streaming_started"},
            {"audio_path", shown_path(start.audio_path)},
            {"source_path", shown_path(start.source_path)}};
  if (start.binary) json["binary"] = true;
  json["timestamp"] = now;
  return json;
}

Json metadata(std::optional<Speech> speech, std::string_view session, double now) {
  return {{"type", "metadata"},
          {"audio_duration", speech ? Json(speech->seconds) : Json(nullptr)},
          {"expected_frames", speech ? Json(speech->frames) : Json(nullptr)},
          {"session_id", session},
          {"timestamp", now}};
}

Json streaming_completed(double now) { return {{"type", "streaming_completed"}, {"timestamp", now}}; }

Json writer_closed(int64_t frames, double now) {
  return {{"type", "writer_closed"}, {"total_frames", frames}, {"timestamp", now}};
}

Json streaming_stopped(double now) { return {{"type", "streaming_stopped"}, {"timestamp", now}}; }

Json pong(double now) { return {{"type", "pong"}, {"timestamp", now}}; }

Json options_set(const Options& options, double now) {
  Json values = Json::object();
  for (const auto& [name, value] : options.values()) values[name] = option_value_json(value);
  return {{"type", "options_set"}, {"options", std::move(values)}, {"timestamp", now}};
}

Json error(std::string_view message) { return {{"type", "error"}, {"message", message}}; }

Json frame_message(const Frame& frame, double now) {
  Json json{{"type", "frame"}, {"frame_id", frame.id}, {"frame_data", encode_base64(frame.jpeg)}, {"timestamp", now}};
  if (frame.audio) json["audio"] = *frame.audio;
  return json;
}

Json audio_message(const Frame& frame, double now) {
  return {{"type", "audio"}, {"frame_id", frame.id}, {"audio", frame.audio.value_or("")}, {"timestamp", now}};
}

std::vector<uint8_t> binary_frame(const Frame& frame, double now) {
  std::vector<uint8_t> bytes;
  bytes.reserve(16 + frame.jpeg.size());
  append_big_endian(bytes, static_cast<uint32_t>(frame.id));
  append_big_endian(bytes, std::bit_cast<uint64_t>(now));
  append_big_endian(bytes, static_cast<uint32_t>(frame.jpeg.size()));
  bytes.insert(bytes.end(), frame.jpeg.begin(), frame.jpeg.end());
  return bytes;
}

std::string pcm16_base64(std::span<const float> samples) {
  std::vector<uint8_t> bytes;
  bytes.reserve(2 * samples.size());
  for (const float sample : samples) {
    const auto value =
        static_cast<uint16_t>(static_cast<int16_t>(std::lround(std::clamp(sample, -1.0f, 1.0f) * 32767.0f)));
    bytes.push_back(static_cast<uint8_t>(value));
    bytes.push_back(static_cast<uint8_t>(value >> 8));
  }
  return encode_base64(bytes);
}

}  // namespace rushes::server::ditto
