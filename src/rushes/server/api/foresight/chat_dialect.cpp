#include "rushes/server/api/foresight/chat_dialect.h"

#include <utility>

#include "rushes/media/image.h"
#include "rushes/server/api/foresight/names.h"
#include "rushes/server/http/base64.h"

namespace rushes::server::foresight {
namespace {

using generation::Track;

constexpr int kJpegQuality = 85;

Json message_of(const char* type, Json data) { return {{"type", type}, {"data", std::move(data)}}; }

/// Here, not on the server's thread: the last message of a video has megabytes.
std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

Json text_chunk(std::string_view message_id, std::string_view chunk, bool done) {
  return message_of("text_chunk", {{"messageId", message_id}, {"chunk", chunk}, {"done", done}});
}

Json chat_error(std::string_view message, std::string_view code) {
  return message_of("error", {{"message", message}, {"code", code}});
}

void ChatDialect::tell(Messages& messages, const char* type, Json data) const {
  Json all{{"predictionId", id_}};
  all.update(data);
  messages.push_back({text_of(message_of(type, std::move(all)))});
}

std::vector<Message> ChatDialect::begin(const Hosted& hosted) {
  id_ = uuid_of(hosted.session->id());
  url_ = chat_video_url(hosted.session->id());
  const generation::VideoFormat& format = hosted.session->format();
  video_frames_ = format.video_frames.value_or(0);
  fps_ = format.fps;
  if (const auto& use = hosted.session->image_use()) dimensions_ = {use->width, use->height};
  video_over_ = !how_.with_video;
  Messages messages;
  if (how_.with_video) tell(messages, "prediction_start", Json::object());
  return messages;
}

std::vector<Message> ChatDialect::on(const StreamItem& item) {
  Messages messages;
  if (std::holds_alternative<VideoComplete>(item)) tell_complete(messages);
  const auto* told = std::get_if<generation::EventPtr>(&item);
  if (!told) return messages;
  newest_ = (*told)->at;
  const auto& what = (*told)->what;
  if (const auto* chunk = std::get_if<generation::TextChunk>(&what)) tell_text(messages, *chunk);
  if (const auto* change = std::get_if<generation::StateChanged>(&what)) reason_ = change->reason;
  if (const auto* failed = std::get_if<generation::TrackFailed>(&what))
    tell_failure(messages, failed->track, failed->message);
  if (video_over_) return messages;
  if (const auto* applied = std::get_if<generation::PromptApplied>(&what)) tell_prompt(messages, *applied);
  if (const auto* preview = std::get_if<generation::PreviewFrames>(&what);
      preview && preview->step == 0 && preview->rgb)
    tell_first_frame(messages, *preview);
  if (const auto* progress = std::get_if<generation::BlockProgress>(&what); progress && progress->steps > 0)
    tell(messages, "prediction_progress",
         {{"progress", 100.0 * static_cast<double>(progress->step) / static_cast<double>(progress->steps)}});
  if (const auto* block = std::get_if<generation::FrameBlock>(&what); block && block->rgb)
    tell_frames(messages, *block);
  return messages;
}

void ChatDialect::tell_text(Messages& messages, const generation::TextChunk& chunk) {
  if (text_over_) return;
  if (!chunk.utf8.empty()) messages.push_back({text_of(text_chunk(how_.message_id, chunk.utf8, false))});
  if (chunk.last) finish_text(messages);
}

/// The caret blinks until then.
void ChatDialect::finish_text(Messages& messages) {
  if (!std::exchange(text_over_, true)) messages.push_back({text_of(text_chunk(how_.message_id, "", true))});
}

void ChatDialect::tell_prompt(Messages& messages, const generation::PromptApplied& applied) {
  if (std::exchange(told_prompt_, true)) return;
  const bool has_image = !dimensions_.is_null();
  const std::string conditioning = !applied.conditioning.empty() ? applied.conditioning
                                   : has_image                   ? "ltx_condition"
                                                                 : "text_only";
  Json data{{"textPrompt", applied.prompt},
            {"conditioningType", conditioning},
            {"imageUsed", has_image},
            {"hybridEncoderUsed", conditioning == "hybrid_encoder"}};
  if (has_image) data["imageDimensions"] = dimensions_;
  tell(messages, "video_prompt", std::move(data));
}

void ChatDialect::tell_first_frame(Messages& messages, const generation::PreviewFrames& preview) {
  if (std::exchange(told_first_, true)) return;
  Json data = complete_data(Json::array({frame_json(0, preview.rgb.get(), preview.width, preview.height)}));
  data["provisional"] = true;
  tell(messages, "prediction_complete", std::move(data));
}

Json ChatDialect::frame_json(int64_t index, const uint8_t* rgb, int64_t width, int64_t height) const {
  const media::Bytes jpeg = media::encode_jpeg(rgb, width, height, kJpegQuality);
  return {{"index", index},
          {"timestamp", static_cast<double>(index) / fps_},
          {"imageUrl", "data:image/jpeg;base64," + encode_base64(jpeg)}};
}

void ChatDialect::tell_frames(Messages& messages, const generation::FrameBlock& block) {
  for (int64_t t = 0; t < block.video_frames; ++t) {
    const int64_t index = block.first_video_frame + t;
    frames_.push_back(frame_json(index, block.frame(t), block.width, block.height));
    tell(messages, "prediction_progress",
         {{"progress", 100.0 * static_cast<double>(index + 1) / static_cast<double>(video_frames_)},
          {"currentFrame", index},
          {"totalFrames", video_frames_}});
  }
}

/// Without `metrics`: the page needs all of them or none, and only the latency is measured.
Json ChatDialect::complete_data(const Json& frames) const {
  return {{"videoUrl", url_},
          {"thumbnailUrl", frames.front()["imageUrl"]},
          {"frames", frames},
          {"latencyMs", static_cast<double>(newest_.count()) / 1000}};
}

void ChatDialect::tell_complete(Messages& messages) {
  if (video_over_ || frames_.empty() || static_cast<int64_t>(frames_.size()) < video_frames_) return;
  video_over_ = true;
  tell(messages, "prediction_complete", complete_data(frames_));
  frames_ = Json::array();
}

void ChatDialect::tell_failure(Messages& messages, Track track, std::string_view why) {
  const auto error = [&](const char* what, const char* code) {
    messages.push_back({text_of(chat_error(fmt::format("{}: {}", what, why), code))});
  };
  if (track == Track::text && !text_over_) {
    error("Text generation error", "TEXT_ERROR");
    finish_text(messages);
  }
  if (track == Track::video && !std::exchange(video_over_, true)) error("Prediction error", "PREDICTION_ERROR");
}

std::vector<Message> ChatDialect::end(const generation::SessionStatus& status) {
  Messages messages;
  if (status.state == generation::SessionState::finished) {
    finish_text(messages);
    tell_failure(messages, Track::video, "the video could not be recorded");
    return messages;
  }
  const std::string why = status.failure ? status.failure->message : reason_.empty() ? "stopped" : reason_;
  tell_failure(messages, Track::text, why);
  tell_failure(messages, Track::video, why);
  return messages;
}

}  // namespace rushes::server::foresight
