// How a prediction is told over its WebSocket: flat messages. Frames are made as binary messages, and become JSON for
// who wants that.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rushes/server/streaming/dialect.h"

namespace rushes::server::foresight {

/// A frame as a binary message: its index and the number of frames, uint32 each, big-endian; then the JPEG.
inline constexpr std::size_t kFrameHeaderBytes = 8;
media::Bytes binary_frame(int64_t index, int64_t total, std::span<const uint8_t> jpeg);
/// The same as {"type": "video_frame", "frame_index", "total_frames", "data"}.
std::string frame_as_json(std::span<const uint8_t> binary_frame);

Json prediction_error(generation::Track source, std::string_view message, std::string_view code);

/// thinking_start; text_chunk and video_frame as they come, the last text_chunk with `done`; video_complete when the
/// file can be fetched; thinking_complete with what there is. The first frame goes out as soon as there is one, in its
/// place: it is what the others begin with. An error names the half that has failed. Needs events with their pixels and
/// VideoComplete; it encodes frames: to be called where work may take its time. On request a video_progress after each
/// denoising step, and one with `data` for each preview: the last frame as far as it can be foreseen, which is no part
/// of the video.
class PredictionDialect final : public Dialect {
 public:
  enum class Progress { kept, told };
  /// `progress`: where it notes how far the video is, from 0 to 1; null: nowhere.
  explicit PredictionDialect(std::shared_ptr<std::atomic<double>> progress = {}, Progress telling = Progress::kept)
      : progress_(std::move(progress)), tells_progress_(telling == Progress::told) {}
  std::vector<Message> begin(const Hosted& hosted) override;
  std::vector<Message> on(const StreamItem& item) override;
  std::vector<Message> end(const generation::SessionStatus& status) override;

 private:
  using Messages = std::vector<Message>;
  void tell_frame(Messages& messages, int64_t index, const uint8_t* rgb, int64_t width, int64_t height);
  void tell_failure(Messages& messages, generation::Track track, std::string_view why, const char* code);

  static void tell_preview(Messages& messages, const generation::PreviewFrames& preview);

  const std::shared_ptr<std::atomic<double>> progress_;
  const bool tells_progress_;
  std::string url_, text_, reason_;
  int64_t video_frames_ = 0;  // of the whole video
  int64_t next_ = 0;          // frame that has not been told
  bool text_over_ = false, video_over_ = false, has_file_ = false;
};

}  // namespace rushes::server::foresight
