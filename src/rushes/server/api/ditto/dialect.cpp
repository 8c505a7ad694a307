#include "rushes/server/api/ditto/dialect.h"

#include "rushes/media/image.h"
#include "rushes/server/api/ditto/messages.h"
#include "rushes/server/streaming/frame_sound.h"

namespace rushes::server::ditto {
namespace {

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::vector<Message> FramesDialect::on(const StreamItem& item) {
  const generation::StreamEvent& event = *std::get<generation::EventPtr>(item);
  if (const auto* change = std::get_if<generation::StateChanged>(&event.what)) reason_ = change->reason;
  const auto* block = std::get_if<generation::FrameBlock>(&event.what);
  std::vector<Message> messages;
  if (!block || !block->rgb) return messages;
  for (int64_t t = 0; t < block->video_frames; ++t) {
    const media::Bytes jpeg = media::encode_jpeg(block->frame(t), block->width, block->height,
                                                 how_.quality ? how_.quality->load() : kJpegQuality);
    Frame frame{.id = frames_++, .jpeg = jpeg};
    if (how_.audio) frame.audio = pcm16_base64(sound_of(*block, t));
    const double now = how_.now();
    if (!how_.binary) {
      messages.push_back({text_of(frame_message(frame, now))});  // here, not on the server's thread
      continue;
    }
    if (how_.audio) messages.push_back({text_of(audio_message(frame, now))});
    messages.push_back({std::make_shared<const media::Bytes>(binary_frame(frame, now))});
  }
  return messages;
}

std::vector<Message> FramesDialect::end(const generation::SessionStatus& status) {
  if (status.failure) return just({error("Streaming error: " + status.failure->message)});
  if (status.state == generation::SessionState::stopped)
    return just({error("Streaming error: " + (reason_.empty() ? "the session was stopped" : reason_))});
  std::vector<Message> messages;
  messages.push_back({streaming_completed(how_.now())});
  messages.push_back({writer_closed(frames_, how_.now())});
  return messages;
}

}  // namespace rushes::server::ditto
