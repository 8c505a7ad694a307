// How a session is told in segments: each an MP4 of its own, with its speech, that begins with a key frame at time 0,
// so that a client joins them without encoding anything anew.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "rushes/media/audio_encoder.h"
#include "rushes/server/api/omniavatar/studio.h"
#include "rushes/server/streaming/dialect.h"

namespace rushes::server::omniavatar {

/// The speech of a video as access units, from which each segment takes what begins within it. It is encoded as one
/// stream, however it is cut: a unit may reach over the end of a segment, and the next segment's sound begins where it
/// ends.
class SegmentSound {
 public:
  explicit SegmentSound(SpeechPtr speech) : speech_(std::move(speech)), encoder_(speech_->audio.hz) {}
  const media::AudioTrack& track() const { return encoder_.track(); }
  /// All that begin before `end` and have not been taken; behind the speech there is silence.
  std::vector<media::AccessUnit> take_until(media::Pts end);

 private:
  const SpeechPtr speech_;
  media::AudioEncoder encoder_;
  int64_t encoded_ = 0;  // samples
  std::deque<media::AccessUnit> waiting_;
};

/// One MP4 of GOPs in a row, as long as their pictures. `sound`: null: none.
media::Bytes segment_file(const media::VideoTrack& track, std::span<const delivery::GopPtr> gops, SegmentSound* sound);

/// What became of a request: `image`, `ignored` and `warnings` as a session has them, as far as there is something to
/// tell.
Json notes_of(const generation::Session& session);

/// Where segments end. Of a model that makes segments they are those; of one that makes blocks so many that each is
/// about kSeconds long, the last one longer. How many there will be is known before the first.
class Segmentation {
 public:
  static constexpr double kSeconds = 2.5;  // of the published model's segments at its usual size

  explicit Segmentation(const generation::VideoFormat& format);
  int64_t total() const noexcept { return total_; }
  /// Takes the next block. True: it is the last of its segment.
  bool completes(const generation::FrameBlock& block);

 private:
  const generation::VideoFormat format_;
  const bool follows_model_;
  const int64_t segment_frames_;  // where it does not
  const int64_t total_;
  int64_t index_ = 0, blocks_ = 0;  // of the segment that blocks go into
};

/// `start` has been told before. A segment is told as soon as its last block is encoded.
class SegmentsDialect final : public Dialect {
 public:
  enum class Form { server_sent_events, json_lines };
  /// `speech`: of the files; null: they are silent.
  SegmentsDialect(Form form, SpeechPtr speech);

  std::vector<Message> begin(const Hosted& hosted) override;
  std::vector<Message> on(const StreamItem& item) override;
  std::vector<Message> end(const generation::SessionStatus& status) override;

  static Message started(Form form);
  static Message failed(Form form, std::string_view error);

 private:
  Message tell_segment();

  const Form form_;
  std::optional<SegmentSound> sound_;
  std::optional<Segmentation> segmentation_;
  std::shared_ptr<delivery::EncodedStream> video_;
  Json notes_ = Json::object();                // for the first segment
  std::deque<generation::FrameBlock> blocks_;  // whose GOPs have not come; without pixels
  std::vector<delivery::GopPtr> gops_;         // of the segment that is not complete
  int64_t told_ = 0;                           // segments
  std::string reason_;                         // why it was stopped
};

}  // namespace rushes::server::omniavatar
