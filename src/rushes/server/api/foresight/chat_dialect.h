// How a message of the chat is answered over its WebSocket: {"type", "data"}, in the words that the published page
// knows. What is not known is left out: the page takes null for a value.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "rushes/server/streaming/dialect.h"

namespace rushes::server::foresight {

Json text_chunk(std::string_view message_id, std::string_view chunk, bool done);
Json chat_error(std::string_view message, std::string_view code);

/// Words and video as they come. The video: prediction_start, video_prompt, progress with each step and each frame,
/// prediction_complete. A first prediction_complete has the first frame alone, as soon as there is one: it is
/// provisional, the page shows it, and the last one replaces it. Needs events with their pixels and VideoComplete; it
/// encodes frames: to be called where work may take its time.
class ChatDialect final : public Dialect {
 public:
  struct How {
    std::string message_id;
    bool with_video = false;
  };
  explicit ChatDialect(How how) : how_(std::move(how)) {}

  std::vector<Message> begin(const Hosted& hosted) override;
  std::vector<Message> on(const StreamItem& item) override;
  std::vector<Message> end(const generation::SessionStatus& status) override;

 private:
  using Messages = std::vector<Message>;
  void tell(Messages& messages, const char* type, Json data) const;
  void tell_text(Messages& messages, const generation::TextChunk& chunk);
  void tell_prompt(Messages& messages, const generation::PromptApplied& applied);
  void tell_first_frame(Messages& messages, const generation::PreviewFrames& preview);
  void tell_frames(Messages& messages, const generation::FrameBlock& block);
  void tell_complete(Messages& messages);
  void tell_failure(Messages& messages, generation::Track track, std::string_view why);
  void finish_text(Messages& messages);
  Json complete_data(const Json& frames) const;
  Json frame_json(int64_t index, const uint8_t* rgb, int64_t width, int64_t height) const;

  const How how_;
  std::string id_, url_;
  int64_t video_frames_ = 0;  // of the whole video
  double fps_ = 0;
  Json dimensions_;  // of the picture; null: not known
  Json frames_ = Json::array();
  std::string reason_;  // why it was stopped
  std::chrono::microseconds newest_{0};
  bool told_prompt_ = false, told_first_ = false, text_over_ = false, video_over_ = false;
};

}  // namespace rushes::server::foresight
