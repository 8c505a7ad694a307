#include "rushes/server/api/imtalker/dialects.h"

#include <optional>

#include "rushes/audio/wav.h"
#include "rushes/media/image.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/streaming/frame_sound.h"

namespace rushes::server::imtalker {
namespace {

constexpr std::size_t kFramesOfLine = 5;  // as published

double seconds(std::chrono::microseconds time) { return std::chrono::duration<double>(time).count(); }

/// Why not all has been said; nothing: it has.
std::optional<std::string> why_cut_off(const generation::SessionStatus& status) {
  if (status.failure) return status.failure->message;
  if (status.state != generation::SessionState::stopped) return std::nullopt;
  return status.reason.empty() ? "the session was stopped" : status.reason;
}

}  // namespace

std::vector<Message> JpegsDialect::on(const StreamItem& item) {
  const auto& frame = std::get<delivery::JpegFrame>(item);
  ++video_frames_;
  if (framing_ == Framing::server_sent_events) return just({encode_base64(*frame.bytes)});
  return just({frame.bytes});
}

std::vector<Message> JpegsDialect::end(const generation::SessionStatus& status) {
  if (framing_ != Framing::server_sent_events) return {};
  if (auto why = why_cut_off(status)) return just({.body = std::move(*why), .event = "error"});
  return just({.body = Json{{"frames", video_frames_}, {"time", seconds(status.age)}}, .event = "complete"});
}

std::vector<Message> JsonLinesDialect::begin(const Hosted& hosted) {
  speech_hz_ = hosted.session->format().speech_hz;
  fps_ = hosted.session->format().fps;
  return {};
}

std::vector<Message> JsonLinesDialect::on(const StreamItem& item) {
  const generation::StreamEvent& event = *std::get<generation::EventPtr>(item);
  std::vector<Message> lines;
  const auto* block = std::get_if<generation::FrameBlock>(&event.what);
  if (!block) return lines;
  for (int64_t t = 0; t < block->video_frames; ++t) {
    if (jpegs_.size() == kFramesOfLine) lines.push_back(take(false));  // only now is it known not to be the last
    now_ = event.at;
    add(*block, t);
  }
  return lines;
}

std::vector<Message> JsonLinesDialect::end(const generation::SessionStatus& status) {
  std::vector<Message> lines;
  const auto why = why_cut_off(status);
  if (!jpegs_.empty()) lines.push_back(take(!why));
  if (why) lines.push_back({Json{{"error", *why}}});
  return lines;
}

void JsonLinesDialect::add(const generation::FrameBlock& block, int64_t t) {
  jpegs_.push_back(encode_base64(media::encode_jpeg(block.frame(t), block.width, block.height)));
  const auto part = sound_of(block, t);
  audio_.insert(audio_.end(), part.begin(), part.end());
}

Message JsonLinesDialect::take(bool is_last) {
  const double took = seconds(now_ - std::exchange(before_, now_));
  const double duration = static_cast<double>(jpegs_.size()) / fps_;
  const Json metrics{{"chunk_id", lines_},       {"generation_time", took},     {"video_duration", duration},
                     {"rtf", took / duration},   {"num_frames", jpegs_.size()}, {"is_first_batch", lines_ == 0},
                     {"is_last_batch", is_last}, {"total_chunk_frames", total_}};
  ++lines_;
  return {Json{{"audio", encode_base64(audio::wav_file(std::exchange(audio_, {}), speech_hz_))},
               {"frames", std::exchange(jpegs_, {})},
               {"metrics", metrics}}};
}

}  // namespace rushes::server::imtalker
