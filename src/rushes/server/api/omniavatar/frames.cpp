#include "rushes/server/api/omniavatar/frames.h"

#include <algorithm>

#include "rushes/audio/wav.h"
#include "rushes/media/image.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/socket_io/packet.h"

namespace rushes::server::omniavatar {

Message event_message(const char* event, const std::string& session_id, Json fields) {
  Json all{{"type", event}, {"session_id", session_id}};
  all.update(fields);
  return {socket_io::event_packet(event, all), event};
}

std::vector<float> sound_of_frame(const media::DecodedAudio& speech, int64_t number, double fps) {
  const auto place = [&](int64_t frame) {
    return static_cast<std::size_t>(static_cast<double>(frame) / fps * static_cast<double>(speech.hz));
  };
  const std::size_t begin = place(number - 1), end = place(number), all = speech.samples.size();
  std::vector<float> samples(speech.samples.begin() + static_cast<std::ptrdiff_t>(std::min(begin, all)),
                             speech.samples.begin() + static_cast<std::ptrdiff_t>(std::min(end, all)));
  samples.resize(end - begin);
  return samples;
}

int64_t count_blocks(const generation::VideoFormat& format, int64_t first) {
  if (format.segments > 0 && format.blocks_per_segment > 0) {
    const int64_t later =
        format.blocks_per_later_segment > 0 ? format.blocks_per_later_segment : format.blocks_per_segment;
    return format.blocks_per_segment + (format.segments - 1) * later;
  }
  const int64_t rest = std::max<int64_t>(0, format.video_frames.value_or(0) - first);
  const int64_t later = first % 4 == 1 ? first + 3 : first;
  return 1 + (rest + later - 1) / std::max<int64_t>(1, later);
}

std::vector<Message> FramesDialect::begin(const Hosted& hosted) {
  format_ = hosted.session->format();
  return {};
}

Message FramesDialect::tell(const char* event, Json fields) const {
  return event_message(event, how_.session_id, std::move(fields));
}

Message FramesDialect::tell_frame(const generation::FrameBlock& block, int64_t t) const {
  const media::Bytes jpeg = media::encode_jpeg(block.frame(t), block.width, block.height, kJpegQuality);
  const int64_t number = frames_ + t + 1, total = std::max(format_.video_frames.value_or(0), number);
  Json fields{{"frame_data", encode_base64(jpeg)},
              {"frame_number", number},
              {"total_frames", total},
              {"chunk_number", blocks_},
              {"progress", 100.0 * static_cast<double>(number) / static_cast<double>(total)},
              {"chunk_progress", 100.0 * static_cast<double>(t + 1) / static_cast<double>(block.video_frames)}};
  if (how_.sound) {
    const media::DecodedAudio& speech = how_.sound->audio;
    fields["audio_segment"] = encode_base64(audio::wav_file(sound_of_frame(speech, number, block.fps), speech.hz));
    fields["audio_start_time"] = static_cast<double>(number - 1) / block.fps;
    fields["audio_duration"] = 1 / block.fps;
  }
  return tell(kFrameEvent, std::move(fields));
}

std::vector<Message> FramesDialect::on(const StreamItem& item) {
  const generation::StreamEvent& event = *std::get<generation::EventPtr>(item);
  if (const auto* change = std::get_if<generation::StateChanged>(&event.what)) reason_ = change->reason;
  const auto* block = std::get_if<generation::FrameBlock>(&event.what);
  std::vector<Message> messages;
  if (!block || !block->rgb) return messages;
  if (blocks_ == 0) first_block_frames_ = block->video_frames;
  for (int64_t t = 0; t < block->video_frames; ++t) messages.push_back(tell_frame(*block, t));
  frames_ += block->video_frames;
  const int64_t total = std::max(format_.video_frames.value_or(0), frames_);
  messages.push_back(
      tell("chunk_complete", {{"chunk_number", blocks_},
                              {"total_chunks", std::max(count_blocks(format_, first_block_frames_), blocks_ + 1)},
                              {"frames_in_chunk", block->video_frames},
                              {"total_frames_generated", frames_},
                              {"progress", 100.0 * static_cast<double>(frames_) / static_cast<double>(total)},
                              {"message", fmt::format("Chunk {} completed (causal pipelined)", blocks_)}}));
  ++blocks_;
  return messages;
}

std::vector<Message> FramesDialect::end(const generation::SessionStatus& status) {
  if (status.state == generation::SessionState::finished) {
    Json fields{{"message", "Causal Pipelined video generation completed"},
                {"used_conversation", how_.conversation_reply.has_value()}};
    if (how_.conversation_reply) fields["conversation_reply"] = *how_.conversation_reply;
    return just(tell("generation_complete", std::move(fields)));
  }
  const std::string why = status.failure    ? status.failure->message
                          : reason_.empty() ? "the session was stopped"
                                            : reason_;
  return just(tell("generation_error", {{"error", why}, {"message", "Causal Pipelined video generation failed"}}));
}

}  // namespace rushes::server::omniavatar
