#include "rushes/server/api/sketch/dialect.h"

namespace rushes::server {

std::vector<Message> SketchDialect::begin(const Hosted& hosted) {
  return just({Json{{"video", "/v1/sessions/" + hosted.session->id().text() + "/video.mp4"}}});
}

std::vector<Message> SketchDialect::on(const StreamItem& item) {
  const generation::StreamEvent& event = *std::get<generation::EventPtr>(item);
  if (const auto* chunk = std::get_if<generation::TextChunk>(&event.what)) return just({Json{{"say", chunk->utf8}}});
  if (const auto* block = std::get_if<generation::FrameBlock>(&event.what))
    return just({Json{{"drawn", block->first_video_frame + block->video_frames}}});
  return {};
}

std::vector<Message> SketchDialect::end(const generation::SessionStatus& status) {
  Json json{{"end", name(status.state)}};
  if (status.failure) json["error"] = status.failure->message;
  return just({std::move(json)});
}

}  // namespace rushes::server
