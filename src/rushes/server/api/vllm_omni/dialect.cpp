#include "rushes/server/api/vllm_omni/dialect.h"

#include "rushes/server/api/native/session_json.h"

namespace rushes::server {

Json omni_error(std::string_view message) { return {{"type", "error"}, {"message", message}}; }

std::vector<Message> OmniDialect::begin(const Hosted& hosted) {
  request_id_ = hosted.session->id().text();
  init_segment_ = hosted.video->init_segment();
  const generation::VideoFormat& format = hosted.session->format();
  const generation::Request& request = hosted.session->request();
  return just({Json{{"type", "video.start"},
                    {"request_id", request_id_},
                    {"format", "m4s"},
                    {"ignored", ignored_json(hosted.session->ignored())},
                    {"warnings", hosted.session->warnings()},
                    {"unknown_words", hosted.session->unknown_words()},
                    {"image", image_json(hosted.session->image_use())},
                    {"config",
                     {{"model", model_},
                      {"prompt", request.prompts.empty() ? Json(nullptr) : Json(request.prompts.front())},
                      {"width", format.width},
                      {"height", format.height},
                      {"fps", format.fps},
                      {"num_frames", format.video_frames ? Json(*format.video_frames) : Json(nullptr)},
                      {"seed", request.seed}}}}});
}

std::vector<Message> OmniDialect::on(const StreamItem& item) {
  if (const auto* gop = std::get_if<delivery::GopPtr>(&item)) return chunk(**gop);
  const auto& event = std::get<generation::EventPtr>(item);
  if (const auto* block = std::get_if<generation::FrameBlock>(&event->what))
    blocks_.push_back({block->prompt, block->video_frames});
  return {};
}

std::vector<Message> OmniDialect::chunk(const delivery::Gop& gop) {
  for (; first_block_ < gop.index && !blocks_.empty(); ++first_block_)
    blocks_.pop_front();  // a slow client missed some
  Block block;
  if (!blocks_.empty()) {
    block = std::move(blocks_.front());
    blocks_.pop_front();
    ++first_block_;
  }
  const PendingInteractions::Shown shown = pending_->take(block.prompt);
  const Json started = shown.started ? Json::array({*shown.started}) : Json::array();
  Json completed = shown.superseded;
  completed.insert(completed.end(), started.begin(), started.end());
  auto bytes = gop.fragment;
  if (chunks_ == 0) {
    auto joined = std::make_shared<media::Bytes>(*init_segment_);
    joined->insert(joined->end(), bytes->begin(), bytes->end());
    bytes = std::move(joined);
  }
  std::vector<Message> messages;
  // A prompt takes over within one chunk: it starts and completes in the same.
  messages.push_back({Json{{"type", "video.chunk_metadata"},
                           {"request_id", request_id_},
                           {"kind", "media"},
                           {"transport_chunk_index", chunks_++},
                           {"generation_chunk_index", gop.index},
                           {"num_frames", block.video_frames},
                           {"byte_length", bytes->size()},
                           {"started_event_ids", started},
                           {"active_event_ids", started},
                           {"completed_event_ids", completed}}});
  messages.push_back({std::move(bytes)});
  return messages;
}

std::vector<Message> OmniDialect::end(const generation::SessionStatus& status) {
  if (status.state == generation::SessionState::failed) return just({omni_error(status.failure->message)});
  return just({Json{{"type", "session.done"},
                    {"request_id", request_id_},
                    {"chunks", chunks_},
                    {"stopped", status.state == generation::SessionState::stopped}}});
}

}  // namespace rushes::server
