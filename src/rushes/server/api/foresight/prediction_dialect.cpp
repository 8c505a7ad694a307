#include "rushes/server/api/foresight/prediction_dialect.h"

#include <utility>

#include "rushes/media/image.h"
#include "rushes/server/api/foresight/names.h"
#include "rushes/server/http/base64.h"

namespace rushes::server::foresight {
namespace {

using generation::Track;

constexpr int kJpegQuality = 85;

void put(media::Bytes& bytes, int64_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<uint8_t>(number >> shift));
}

int64_t number_at(std::span<const uint8_t> bytes, std::size_t at) {
  int64_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) number = number << 8 | bytes[at + i];
  return number;
}

const char* code_of(Track track) { return track == Track::text ? "TEXT_ERROR" : "VIDEO_ERROR"; }

}  // namespace

media::Bytes binary_frame(int64_t index, int64_t total, std::span<const uint8_t> jpeg) {
  media::Bytes bytes;
  bytes.reserve(kFrameHeaderBytes + jpeg.size());
  put(bytes, index);
  put(bytes, total);
  bytes.insert(bytes.end(), jpeg.begin(), jpeg.end());
  return bytes;
}

std::string frame_as_json(std::span<const uint8_t> frame) {
  return fmt::format(R"({{"type":"video_frame","frame_index":{},"total_frames":{},"data":"{}"}})", number_at(frame, 0),
                     number_at(frame, 4), encode_base64(frame.subspan(kFrameHeaderBytes)));
}

/// `done` stands beside the content as in the chat, and only where it is true.
Json text_chunk(std::string_view content, bool done) {
  Json chunk{{"type", "text_chunk"}, {"content", content}};
  if (done) chunk["done"] = true;
  return chunk;
}

Json prediction_error(Track source, std::string_view message, std::string_view code) {
  return {{"type", "error"}, {"source", name(source)}, {"message", message}, {"code", code}};
}

std::vector<Message> PredictionDialect::begin(const Hosted& hosted) {
  url_ = video_url(hosted.session->id());
  video_frames_ = hosted.session->format().video_frames.value_or(0);
  video_over_ = video_frames_ == 0;  // of a model that only writes
  return just({Json{{"type", "thinking_start"}}});
}

std::vector<Message> PredictionDialect::on(const StreamItem& item) {
  Messages messages;
  if (std::holds_alternative<VideoComplete>(item) && !video_over_ && next_ > 0 && next_ == video_frames_) {
    has_file_ = video_over_ = true;
    messages.push_back({Json{{"type", "video_complete"}, {"video_url", url_}}});
  }
  const auto* told = std::get_if<generation::EventPtr>(&item);
  if (!told) return messages;
  const auto& what = (*told)->what;
  if (const auto* chunk = std::get_if<generation::TextChunk>(&what)) {
    const bool done = chunk->last && !std::exchange(text_over_, true);
    text_ += chunk->utf8;
    if (!chunk->utf8.empty() || done) messages.push_back({text_chunk(chunk->utf8, done)});
  }
  if (const auto* change = std::get_if<generation::StateChanged>(&what)) reason_ = change->reason;
  if (const auto* step = std::get_if<generation::BlockProgress>(&what); step && step->steps > 0) {
    if (progress_) *progress_ = static_cast<double>(step->step) / static_cast<double>(step->steps);
    if (tells_progress_)
      messages.push_back({Json{{"type", "video_progress"}, {"step", step->step}, {"steps", step->steps}}});
  }
  if (const auto* failed = std::get_if<generation::TrackFailed>(&what))
    tell_failure(messages, failed->track, failed->message, code_of(failed->track));
  if (const auto* preview = std::get_if<generation::PreviewFrames>(&what);
      preview && preview->rgb && preview->video_frames > 0) {
    if (preview->step == 0)
      tell_frame(messages, preview->first_video_frame, preview->rgb.get(), preview->width, preview->height);
    else if (tells_progress_)
      tell_preview(messages, *preview);
  }
  if (const auto* block = std::get_if<generation::FrameBlock>(&what); block && block->rgb)
    for (int64_t t = 0; t < block->video_frames; ++t)
      tell_frame(messages, block->first_video_frame + t, block->frame(t), block->width, block->height);
  return messages;
}

void PredictionDialect::tell_preview(Messages& messages, const generation::PreviewFrames& preview) {
  const int64_t last = preview.video_frames - 1;
  const uint8_t* rgb = preview.rgb.get() + last * preview.height * preview.width * 3;
  const media::Bytes jpeg = media::encode_jpeg(rgb, preview.width, preview.height, kJpegQuality);
  messages.push_back({Json{{"type", "video_progress"},
                           {"step", preview.step},
                           {"steps", preview.steps},
                           {"frame_index", preview.first_video_frame + last},
                           {"data", encode_base64(jpeg)}}});
}

/// Each frame once, in order: the first one may have been told already.
void PredictionDialect::tell_frame(Messages& messages, int64_t index, const uint8_t* rgb, int64_t width,
                                   int64_t height) {
  if (video_over_ || index != next_) return;
  ++next_;
  const media::Bytes jpeg = media::encode_jpeg(rgb, width, height, kJpegQuality);
  messages.push_back({std::make_shared<const media::Bytes>(binary_frame(index, video_frames_, jpeg))});
}

void PredictionDialect::tell_failure(Messages& messages, Track track, std::string_view why, const char* code) {
  bool& over = track == Track::text ? text_over_ : video_over_;
  if (!std::exchange(over, true)) messages.push_back({prediction_error(track, why, code)});
}

std::vector<Message> PredictionDialect::end(const generation::SessionStatus& status) {
  Messages messages;
  const bool stopped = status.state == generation::SessionState::stopped;
  const std::string why = status.failure ? status.failure->message : reason_.empty() ? "stopped" : reason_;
  if (status.state == generation::SessionState::finished) {
    text_over_ = true;
    tell_failure(messages, Track::video, "the video could not be recorded", code_of(Track::video));
  } else {
    for (const Track track : {Track::text, Track::video})
      tell_failure(messages, track, why, stopped ? "CANCELLED" : code_of(track));
  }
  messages.push_back(
      {Json{{"type", "thinking_complete"}, {"text", text_}, {"video_url", has_file_ ? Json(url_) : Json(nullptr)}}});
  return messages;
}

}  // namespace rushes::server::foresight
