#include "rushes/server/sessions/session_record.h"

#include "rushes/server/api/native/json_fields.h"
#include "rushes/server/http/http.h"

namespace rushes::server {
namespace {

using generation::SessionState;
using generation::SessionStatus;
using generation::VideoFormat;
using Microseconds = std::chrono::microseconds;

// Each struct's fields are listed once, for both directions.

/// A field that the rows of earlier versions do not have.
template <typename T>
struct Newer {
  T& value;
};

template <typename Request, typename Visit>
void each_field(Request& request, Visit visit, const generation::Request*) {
  visit("prompts", request.prompts);
  visit("seed", request.seed);
  visit("segments", request.segments);
  visit("frames", request.video_frames);
  visit("height", request.height);
  visit("width", request.width);
  visit("fps", request.fps);
  visit("max_lead", request.max_lead_seconds);
  visit("options", request.options);
}

template <typename Format, typename Visit>
void each_field(Format& format, Visit visit, const VideoFormat*) {
  visit("height", format.height);
  visit("width", format.width);
  visit("fps", format.fps);
  visit("video_frames", format.video_frames);
  visit("segments", format.segments);
  visit("blocks_per_segment", format.blocks_per_segment);
  visit("blocks_per_later_segment", format.blocks_per_later_segment);
  visit("sound_hz", format.audio_hz);
  visit("speech_hz", format.speech_hz);
}

template <typename Status, typename Visit>
void each_field(Status& status, Visit visit, const SessionStatus*) {
  visit("prompt", status.prompt);
  visit("reason", Newer{status.reason});
  visit("text", status.text);
  visit("blocks", status.blocks);
  visit("video_frames", status.video_frames);
  visit("speech_samples", Newer{status.speech_samples});
  visit("utterances", Newer{status.utterances});
  visit("at_rest", Newer{status.at_rest});
  visit("first_step_us", status.first_step);
  visit("first_block_us", status.first_block);
  visit("newest_block_us", status.newest_block);
  visit("end_us", status.end);
  visit("device_us", status.device_time);
  visit("replay_blocks", Newer{status.replay_blocks});
  visit("replayed_blocks", Newer{status.replayed_blocks});
}

struct Write {
  Json& json;
  void operator()(const char* name, const Options& options) const {
    Json all = Json::object();
    for (const auto& [key, value] : options.values())
      std::visit(
          [&, &key = key](const auto& of) {
            if constexpr (!std::is_same_v<std::decay_t<decltype(of)>, std::monostate>) all[key] = of;
          },
          value);
    json[name] = std::move(all);
  }
  template <typename T>
  void operator()(const char* name, const T& value) const {
    json[name] = value;
  }
  template <typename T>
  void operator()(const char* name, const Newer<T>& field) const {
    json[name] = field.value;
  }
  void operator()(const char* name, const Microseconds& value) const { json[name] = value.count(); }
  template <typename T>
  void operator()(const char* name, const std::optional<T>& value) const {
    if (value) (*this)(name, *value);
  }
};

struct Read {
  const Json& json;
  void operator()(const char* name, Options& options) const {
    if (!json.contains(name)) return;
    JsonFields fields = JsonFields::of(nlohmann::json(json.at(name)));
    for (const auto& [key, value] : json.at(name).items())
      if (auto read = fields.option(key)) options.set(key, std::move(*read));
  }
  template <typename T>
  void operator()(const char* name, T& value) const {
    value = json.at(name).get<T>();
  }
  template <typename T>
  void operator()(const char* name, Newer<T>&& field) const {
    if (json.contains(name)) (*this)(name, field.value);
  }
  void operator()(const char* name, Microseconds& value) const { value = Microseconds(json.at(name).get<int64_t>()); }
  template <typename T>
  void operator()(const char* name, std::optional<T>& value) const {
    if (json.contains(name)) (*this)(name, value.emplace());
  }
};

template <typename T>
Json to_json(const T& value) {
  Json json = Json::object();
  each_field(value, Write{json}, static_cast<const T*>(nullptr));
  return json;
}

template <typename T>
T from_json(const Json& json) {
  T value;
  each_field(value, Read{json}, static_cast<const T*>(nullptr));
  return value;
}

ErrorCode parse_code(const std::string& text) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code)
    if (name(static_cast<ErrorCode>(code)) == text) return static_cast<ErrorCode>(code);
  return ErrorCode::internal;
}

SessionState parse_state(const std::string& text) {
  const auto state = generation::state_named(text);
  require(state.has_value(), ErrorCode::corrupt_data, "'{}' is not a session state", text);
  return *state;
}

/// Its prompts, each with the block that it begins with, the time of each block since the one before, and what tells
/// whether it is the same when it is made again.
Json history_json(const generation::BlockHistory& history) {
  Json prompts = Json::array(), times = Json::array(), checks = Json::array();
  const std::string* prompt = nullptr;
  Microseconds before{0};
  for (int64_t block = history.first; const auto& [at, under, check] : history.blocks) {
    if (!prompt || *prompt != *under) prompts.push_back({block, *under});
    prompt = under.get();
    times.push_back((at - before).count());
    if (check) checks.push_back(*check);
    before = at;
    ++block;
  }
  Json json{{"first", history.first}, {"prompts", std::move(prompts)}, {"us_since_last", std::move(times)}};
  if (checks.size() == history.blocks.size()) json["checks"] = std::move(checks);
  if (history.steered_from) json["steered_from"] = *history.steered_from;
  return json;
}

/// Of `blocks` at most: a recording may have fewer than were made.
generation::BlockHistory read_history(const Json& json, int64_t blocks) {
  generation::BlockHistory history(json.at("first").get<int64_t>());
  require(history.first >= 0, ErrorCode::corrupt_data, "a history begins with block {}", history.first);
  const Json& prompts = json.at("prompts");
  const Json checks = json.value("checks", Json::array());
  std::size_t next = 0;
  std::string prompt;
  Microseconds at{0};
  for (int64_t block = history.first; const Json& since_last : json.at("us_since_last")) {
    if (block >= blocks) break;
    if (next < prompts.size() && prompts[next].at(0) == block) prompt = prompts[next++].at(1).get<std::string>();
    at += Microseconds(since_last.get<int64_t>());
    const auto index = static_cast<std::size_t>(block++ - history.first);
    history.add(at, prompt, index < checks.size() ? std::optional(checks[index].get<uint32_t>()) : std::nullopt);
  }
  if (json.contains("steered_from")) history.steered_from = json["steered_from"].get<int64_t>();
  return history;
}

/// The stream's events: a block for each fragment. What `history` does not tell of a block was made under `prompt`.
std::vector<generation::FrameBlock> blocks_of(const media::RecordedFile& file, const VideoFormat& format,
                                              const generation::BlockHistory& history, const std::string& prompt) {
  std::vector<generation::FrameBlock> blocks;
  int64_t frames = 0, segment = 0, block = 0;
  for (const media::RecordedFragment& fragment : file.fragments) {
    if (fragment.video_frames == 0) continue;  // the end of the sound
    generation::FrameBlock& made = blocks.emplace_back();
    made.video_frames = fragment.video_frames;
    made.height = format.height;
    made.width = format.width;
    made.fps = format.fps;
    made.first_video_frame = frames;
    made.segment = segment;
    made.block = block;
    const auto* known = history.of(static_cast<int64_t>(blocks.size()) - 1);
    made.prompt = known ? *known->prompt : prompt;
    frames += fragment.video_frames;
    const int64_t last = segment == 0 ? format.blocks_per_segment : format.blocks_per_later_segment;
    if (++block >= last && last > 0) ++segment, block = 0;
  }
  return blocks;
}

/// What the end of its process has made of a session that ran.
void end_interrupted(SessionStatus& status, const VideoFormat& format, const media::RecordedFile& file) {
  status.blocks = file.blocks();
  status.video_frames = file.video_frames();
  if (!status.end) status.end = status.newest_block;
  if (format.video_frames && status.video_frames >= *format.video_frames) {
    status.state = SessionState::finished;
    return;
  }
  status.state = SessionState::failed;
  status.failure = generation::Failure{
      ErrorCode::cancelled,
      "the server ended while this video was being generated; the blocks completed until then are kept"};
}

Hosted restore(const delivery::CatalogueRow& row, const media::RecordedFile& file, const std::filesystem::path& path) {
  const Json details = Json::parse(row.details);
  auto request = from_json<generation::Request>(details.at("request"));
  const auto format = from_json<VideoFormat>(details.at("format"));
  auto status = from_json<SessionStatus>(details.at("status"));
  status.state = parse_state(row.state);
  if (details.contains("error"))
    status.failure = generation::Failure{parse_code(details["error"].at("code").get<std::string>()),
                                         details["error"].at("message").get<std::string>()};
  if (!ended(status.state)) end_interrupted(status, format, file);
  auto history =
      details.contains("history") ? read_history(details["history"], status.blocks) : generation::BlockHistory();
  generation::Session::Past past{
      .id = generation::SessionId::parse(row.id),
      .created = std::chrono::system_clock::time_point(std::chrono::milliseconds(row.created_ms)),
      .status = status,
      .blocks = blocks_of(file, format, history, status.prompt),
      .history = std::move(history)};
  for (const Json& each : details.value("ignored", Json::array()))
    past.ignored.push_back({each.at("field").get<std::string>(), each.at("reason").get<std::string>()});
  past.unknown_words = details.value("unknown_words", std::vector<std::string>());
  Hosted entry;
  entry.session = std::make_shared<generation::Session>(std::move(request), format, std::move(past));
  entry.video =
      std::make_shared<delivery::EncodedStream>(entry.session, file, delivery::EncodedStreamOptions{.recording = path});
  entry.sinks = std::make_shared<delivery::Sinks>(entry.video);
  entry.speech = std::make_shared<ingest::SpeechInput>(entry.session);
  entry.inputs = std::make_shared<base::MemoryBudget::Charge>();
  if (details.contains("origin"))
    entry.origin =
        Origin{details["origin"].at("kind") == name(Origin::Kind::fork) ? Origin::Kind::fork : Origin::Kind::remix,
               generation::SessionId::parse(details["origin"].at("session").get<std::string>())};
  entry.lost_image = details.value("image", false);
  entry.lost_options = details.value("options_set", false);
  entry.forkable = details.value("forkable", false);
  entry.model = details.value("model", "");
  entry.file_name = details.value("file_name", "");
  return entry;
}

delivery::CatalogueRow columns(std::string id, int64_t created_ms, const SessionStatus& status,
                               const VideoFormat& format) {
  delivery::CatalogueRow row;
  row.id = std::move(id);
  row.created_ms = created_ms;
  row.state = name(status.state);
  row.prompt = status.prompt;
  row.width = format.width;
  row.height = format.height;
  row.video_frames = status.video_frames;
  row.fps = format.fps;
  return row;
}

}  // namespace

delivery::CatalogueRow catalogue_row(const Hosted& entry) {
  const generation::Session& session = *entry.session;
  const SessionStatus status = session.status();
  const auto created = std::chrono::duration_cast<std::chrono::milliseconds>(session.created().time_since_epoch());
  auto row = columns(session.id().text(), created.count(), status, session.format());
  row.recorded_bytes = entry.video->status().recorded_bytes;
  Json details{
      {"request", to_json(session.request())}, {"format", to_json(session.format())}, {"status", to_json(status)}};
  if (const auto history = session.history(); !history.blocks.empty()) details["history"] = history_json(history);
  if (session.request().image || entry.lost_image) details["image"] = true;
  if (entry.lost_options || session.options() != session.request().options) details["options_set"] = true;
  if (entry.forkable) details["forkable"] = true;
  if (!entry.model.empty()) details["model"] = entry.model;
  if (!entry.file_name.empty()) details["file_name"] = entry.file_name;
  for (const generation::Ignored& each : session.ignored())
    details["ignored"].push_back({{"field", each.field}, {"reason", each.reason}});
  if (const auto words = session.unknown_words(); !words.empty()) details["unknown_words"] = words;
  if (status.failure) details["error"] = {{"code", name(status.failure->code)}, {"message", status.failure->message}};
  if (entry.origin) details["origin"] = {{"kind", name(entry.origin->kind)}, {"session", entry.origin->session.text()}};
  row.details = details.dump(-1, ' ', false, Json::error_handler_t::replace);
  return row;
}

Hosted restore_entry(const delivery::CatalogueRow& row, const media::RecordedFile& file,
                     const std::filesystem::path& path) {
  try {
    return restore(row, file, path);
  } catch (const Json::exception& error) {
    fail(ErrorCode::corrupt_data, "the catalogue's details of session {}: {}", row.id, error.what());
  }
}

delivery::CatalogueRow unreadable_row(delivery::CatalogueRow row, std::string_view reason) {
  Json details = Json::parse(row.details, nullptr, /*allow_exceptions=*/false);
  if (!details.is_object()) return row;
  details["unreadable"] = reason;
  row.details = details.dump(-1, ' ', false, Json::error_handler_t::replace);
  return row;
}

delivery::CatalogueRow stray_row(std::string id, const media::RecordedFile& file, int64_t created_ms) {
  VideoFormat format;
  format.height = file.track.height;
  format.width = file.track.width;
  const media::RecordedFragment& first = file.fragments.front();
  format.fps =
      static_cast<double>(first.video_frames) * media::Pts::period::den / static_cast<double>(first.duration.count());
  if (file.audio) format.audio_hz = file.audio->hz;
  format.segments = 1;
  format.blocks_per_segment = file.blocks();
  SessionStatus status;
  status.state = SessionState::stopped;
  status.blocks = file.blocks();
  status.video_frames = file.video_frames();
  auto row = columns(std::move(id), created_ms, status, format);
  row.recorded_bytes = file.complete_bytes();
  generation::Request request;
  request.prompts = {""};
  row.details = Json{{"request", to_json(request)}, {"format", to_json(format)}, {"status", to_json(status)}}.dump();
  return row;
}

}  // namespace rushes::server
