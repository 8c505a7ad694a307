#include "rushes/server/api/native/session_json.h"

#include "rushes/server/api/native/json_fields.h"
#include "rushes/server/http/date.h"
#include "rushes/server/sessions/forks.h"

namespace rushes::server {
namespace {

using generation::BlockProgress;
using generation::FrameBlock;
using generation::PromptApplied;
using generation::StateChanged;

double seconds(std::chrono::microseconds time) { return static_cast<double>(time.count()) / 1e6; }
double milliseconds(std::chrono::microseconds time) { return static_cast<double>(time.count()) / 1e3; }

Json optional_seconds(const std::optional<std::chrono::microseconds>& time) {
  return time ? Json(seconds(*time)) : Json(nullptr);
}

Json failure_json(const std::optional<generation::Failure>& failure) {
  if (!failure) return nullptr;
  return {{"code", name(failure->code)}, {"message", failure->message}};
}

Json queue_json(const generation::QueuePlace& place) {
  return {{"position", place.position}, {"wait_s", place.wait_s ? Json(*place.wait_s) : Json(nullptr)}};
}

Json origin_json(const std::optional<Origin>& origin) {
  if (!origin) return nullptr;
  return {{"kind", name(origin->kind)}, {"session", origin->session.text()}};
}

Json borders_json(const std::optional<Borders>& borders, const char* least, const char* most) {
  return {{least, borders ? Json(borders->least) : Json(nullptr)},
          {most, borders ? Json(borders->most) : Json(nullptr)}};
}

Json forks_json(const Forks& forks) {
  Json json = borders_json(forks.all, "least_blocks", "most_blocks");
  json.update(borders_json(forks.kept, "least_kept", "most_kept"));
  json["no_replay"] = forks.replayless ? Json(*forks.replayless) : Json(nullptr);
  return json;
}

constexpr std::size_t kShownText = 256;  // bytes; a longer option is left out

Json options_json(const Options& options) {
  Json json = Json::object();
  for (const auto& [name, value] : options.values()) {
    const auto* text = std::get_if<std::string>(&value);
    if (!text || text->size() <= kShownText) json[name] = option_value_json(value);
  }
  return json;
}

struct EventFields {
  Json operator()(const StateChanged& change) const {
    Json json{{"type", "state"}, {"state", name(change.state)}};
    if (!change.reason.empty()) json["reason"] = change.reason;
    if (change.failure) json["error"] = failure_json(change.failure);
    return json;
  }
  Json operator()(const PromptApplied& applied) const {
    Json json{
        {"type", "prompt_applied"}, {"segment", applied.segment}, {"block", applied.block}, {"prompt", applied.prompt}};
    if (!applied.conditioning.empty()) json["conditioning"] = applied.conditioning;
    return json;
  }
  Json operator()(const BlockProgress& progress) const {
    return {{"type", "block_progress"},
            {"segment", progress.segment},
            {"block", progress.block},
            {"step", progress.step},
            {"steps", progress.steps}};
  }
  Json operator()(const generation::QueuePlace& place) const {
    Json json{{"type", "queue"}};
    json.update(queue_json(place));
    return json;
  }
  Json operator()(const generation::UtteranceEnded&) const { return {{"type", "utterance_ended"}}; }
  Json operator()(const generation::TextChunk& chunk) const {
    return {{"type", "text_chunk"}, {"text", chunk.utf8}, {"last", chunk.last}};
  }
  /// Without its pixels, as those of a block.
  Json operator()(const generation::PreviewFrames& preview) const {
    return {{"type", "preview_frames"},
            {"first_video_frame", preview.first_video_frame},
            {"video_frames", preview.video_frames},
            {"width", preview.width},
            {"height", preview.height},
            {"step", preview.step},
            {"steps", preview.steps}};
  }
  Json operator()(const generation::TrackFailed& failed) const {
    return {{"type", "track_failed"},
            {"track", name(failed.track)},
            {"error", {{"code", name(failed.code)}, {"message", failed.message}}}};
  }
  Json operator()(const FrameBlock& block) const {
    return {{"type", "frame_block"},
            {"segment", block.segment},
            {"block", block.block},
            {"first_video_frame", block.first_video_frame},
            {"video_frames", block.video_frames},
            {"latent_frames", block.latent_frames},
            {"width", block.width},
            {"height", block.height},
            {"fps", block.fps},
            {"prompt", block.prompt},
            {"times_ms",
             {{"text", milliseconds(block.times.text)},
              {"denoise", milliseconds(block.times.denoise)},
              {"decode", milliseconds(block.times.decode)}}}};
  }
};

}  // namespace

Json ignored_json(const std::vector<generation::Ignored>& ignored) {
  Json list = Json::array();
  for (const generation::Ignored& each : ignored) list.push_back({{"field", each.field}, {"reason", each.reason}});
  return list;
}

Json image_json(const std::optional<generation::ImageUse>& use) {
  if (!use) return nullptr;
  Json json{{"width", use->width}, {"height", use->height}};
  if (!use->fit.empty()) json["fit"] = use->fit;
  if (use->shown) json["shown"] = *use->shown;
  if (use->fit.empty()) {  // a portrait
    json["face"] = use->face ? Json(*use->face) : Json(nullptr);
    json["faces"] = use->faces;
  }
  return json;
}

const Hosted& hosted_of(const SessionStore& sessions, const Request& request) {
  return sessions.find(generation::SessionId::parse(request.path_value("id")));
}

Json event_json(const generation::StreamEvent& event) {
  Json json{{"sequence", event.sequence}, {"at_s", seconds(event.at)}};
  json.update(std::visit(EventFields{}, event.what));
  return json;
}

Json session_json(const Hosted& entry, const Request& request) {
  const generation::Session& session = *entry.session;
  const generation::SessionStatus status = session.status();
  const delivery::EncodedStream::Status video = entry.video->status();
  const generation::VideoFormat& format = session.format();
  const std::string base = request.address("/v1/sessions/" + session.id().text());
  const std::optional<double> lead = session.max_lead();
  return {{"id", session.id().text()},
          {"state", name(status.state)},
          {"queue", status.queue ? queue_json(*status.queue) : Json(nullptr)},
          {"error", failure_json(status.failure)},
          {"created", timestamp(session.created())},
          {"prompt", status.prompt},
          {"text", status.text ? Json(*status.text) : Json(nullptr)},
          {"prompts", session.request().prompts},
          {"seed", session.request().seed},
          {"options", options_json(session.options())},
          {"ignored", ignored_json(session.ignored())},
          {"max_lead_s", lead ? Json(*lead) : Json(nullptr)},
          {"origin", origin_json(entry.origin)},
          {"image", image_json(session.image_use())},
          {"warnings", session.warnings()},
          {"unknown_words", session.unknown_words()},
          {"model", entry.model},
          {"format",
           {{"width", format.width},
            {"height", format.height},
            {"fps", format.fps},
            {"video_frames", format.video_frames ? Json(*format.video_frames) : Json(nullptr)},
            {"segments", format.segments},
            {"blocks_per_segment", format.blocks_per_segment},
            {"blocks_per_later_segment", format.blocks_per_later_segment},
            {"audio_hz", format.audio_hz},
            {"speech_hz", format.speech_hz},
            {"mime_type", entry.video->mime_type()}}},
          {"speech", format.speech_hz > 0 ? Json{{"received_s", static_cast<double>(status.speech_samples) /
                                                                    static_cast<double>(format.speech_hz)},
                                                 {"utterances", status.utterances},
                                                 {"at_rest", status.at_rest},
                                                 {"listens", entry.speech->listens()}}
                                          : Json(nullptr)},
          {"done",
           {{"blocks", status.blocks},
            {"video_frames", status.video_frames},
            {"fragments", video.gops},
            {"bytes", video.bytes}}},
          {"forks", forks_json(forks_of(entry))},
          {"replay_blocks", status.replay_blocks},
          {"replayed_blocks", status.replayed_blocks},
          {"times_s",
           {{"age", seconds(status.age)},
            {"first_step", optional_seconds(status.first_step)},
            {"first_block", optional_seconds(status.first_block)},
            {"newest_block", optional_seconds(status.newest_block)},
            {"end", optional_seconds(status.end)},
            {"device", seconds(status.device_time)},
            {"encode", seconds(video.encode_time)}}},
          {"fps", status.fps},
          {"viewers", video.viewers},
          {"recording",
           {{"bytes", video.recorded_bytes},
            {"complete", video.recording_complete},
            {"error", video.recording_failure.empty() ? Json(nullptr) : Json(video.recording_failure)}}},
          {"urls",
           {{"self", base}, {"events", base + "/events"}, {"video", base + "/video"}, {"mp4", base + "/video.mp4"}}}};
}

}  // namespace rushes::server
