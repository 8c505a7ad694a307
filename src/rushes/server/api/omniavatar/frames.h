// How a session is told over Socket.IO: frame by frame as JPEGs, each with its sound, and block by block.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "rushes/server/api/omniavatar/studio.h"
#include "rushes/server/streaming/dialect.h"

namespace rushes::server::omniavatar {

inline constexpr int kJpegQuality = 85;                    // as published
inline constexpr const char* kFrameEvent = "video_frame";  // of which a slow member of a room may miss some

/// Messages are whole packets of events, with their names beside them. Needs events with their pixels, and encodes
/// them: to be called where work may take its time.
class FramesDialect final : public Dialect {
 public:
  struct How {
    std::string session_id;
    SpeechPtr sound;                                     // of the frames; null: none
    std::optional<std::string> conversation_reply = {};  // what the speech says where an assistant speaks
  };
  explicit FramesDialect(How how) : how_(std::move(how)) {}

  std::vector<Message> begin(const Hosted& hosted) override;
  std::vector<Message> on(const StreamItem& item) override;
  std::vector<Message> end(const generation::SessionStatus& status) override;

 private:
  Message tell(const char* event, Json fields) const;
  Message tell_frame(const generation::FrameBlock& block, int64_t t) const;

  const How how_;
  generation::VideoFormat format_;
  int64_t blocks_ = 0, frames_ = 0, first_block_frames_ = 0;  // that were told
  std::string reason_;                                        // why it was stopped
};

/// {"type": event, "session_id": ...} and what follows, as a packet.
Message event_message(const char* event, const std::string& session_id, Json fields);

/// The sound of frame `number`, counted from 1: samples [trunc((number - 1) / fps * hz), trunc(number / fps * hz)),
/// with silence behind the speech.
std::vector<float> sound_of_frame(const media::DecodedAudio& speech, int64_t number, double fps);

/// Of all blocks of a video, where the model has not told: the first has `first` frames, later ones as many or, where
/// an autoencoder makes one frame of the first latent frame and four of each other, three more.
int64_t count_blocks(const generation::VideoFormat& format, int64_t first);

}  // namespace rushes::server::omniavatar
