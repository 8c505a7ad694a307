#include "rushes/media/rtmp_output.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/media/audio_encoder.h"
#include "rushes/media/flv_publisher.h"
#include "rushes/media/libav.h"
#include "rushes/media/video_encoder.h"

namespace rushes::media {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kFirstPause = 500ms, kLongestPause = 15s;

class RtmpOutput final : public VideoOutput {
 public:
  explicit RtmpOutput(const VideoOutputOptions& options)
      : options_(options),
        url_(RtmpUrl::parse(options.target)),
        encoder_({.width = options.width, .height = options.height, .fps = options.fps, .quality = options.quality}),
        audio_(options.audio_hz > 0 ? std::optional<AudioEncoder>(options.audio_hz) : std::nullopt),
        units_(order()) {}

  Reader write(const uint8_t* rgb, int64_t video_frames, std::span<const float> audio) override {
    const auto frame_bytes = static_cast<std::size_t>(options_.width * options_.height * 3);
    // Published with the first picture: a stream without one would be taken for one that has failed.
    if (!published_)
      connect();
    else if (!publisher_ && Clock::now() >= next_attempt_)
      reconnect();
    const auto heard =
        audio_ ? timed(times_.encode, [&] { return audio_->encode(audio, 0); }) : std::vector<AccessUnit>();
    units_.add_block(frame_time(next_frame_, options_.fps), frame_time(next_frame_ + video_frames, options_.fps),
                     heard);
    for (int64_t i = 0; i < video_frames; ++i) {
      const Pts pts = frame_time(next_frame_ + i, options_.fps);
      auto pictures = timed(times_.encode, [&] {
        return encoder_.encode(rgb + static_cast<std::size_t>(i) * frame_bytes, pts,
                               i == 0 ? Key::forced : Key::automatic);
      });
      for (AccessUnit& picture : pictures) units_.add_picture(std::move(picture));
      send();
    }
    next_frame_ += video_frames;
    return Reader::present;
  }

  void finish() override {
    if (!published_) return;
    const Pts end = frame_time(next_frame_, options_.fps);
    if (audio_) units_.add_block(end, end, audio_->flush());
    for (AccessUnit& picture : encoder_.flush()) units_.add_picture(std::move(picture));
    units_.end();
    send();
    require(publisher_ != nullptr, ErrorCode::unavailable, "{}", failure_);
    publisher_->finish();
  }

 private:
  LiveInterleaver order() const {
    return LiveInterleaver(audio_ ? &audio_->track() : nullptr, options_.silent_audio
                                                                    ? LiveInterleaver::Silence::where_there_is_no_audio
                                                                    : LiveInterleaver::Silence::none);
  }

  void connect() {
    units_ = order();
    publisher_ = std::make_unique<FlvPublisher>(encoder_.track(), units_.audio_track(), url_, FlvPublisher::Options{});
    published_ = true;
  }

  /// Only at a block's start, which is a key frame.
  void reconnect() {
    try {
      connect();
      pause_ = kFirstPause;
      log::info("{}: reconnected", url_.shown);
    } catch (const Error& error) {
      lost(error);
    }
  }

  /// What is ready, each at its time.
  void send() {
    while (const auto next = units_.next()) {
      wait_until_due(next->unit.pts);
      timed(times_.deliver, [&] {
        if (publisher_) try {
            publisher_->write(*next);
          } catch (const Error& error) {
            lost(error);
          }
        return publisher_ != nullptr;
      });
    }
  }

  void lost(const Error& error) {
    if (error.code() != ErrorCode::unavailable) throw error;
    failure_ = error.what();
    log::warning("{}; trying again in {} ms", failure_, pause_.count());
    publisher_.reset();
    next_attempt_ = Clock::now() + pause_;
    pause_ = std::min(2 * pause_, kLongestPause);
  }

  void wait_until_due(Pts pts) {
    const Clock::time_point now = Clock::now();
    const auto time = std::chrono::duration_cast<Clock::duration>(pts);
    if (!start_ || *start_ + time < now) start_ = now - time;  // late: from here on the others count from now
    std::this_thread::sleep_until(*start_ + time);
  }

  const VideoOutputOptions options_;
  const RtmpUrl url_;
  VideoEncoder encoder_;
  std::optional<AudioEncoder> audio_;
  LiveInterleaver units_;
  bool published_ = false;                   // at least once
  std::unique_ptr<FlvPublisher> publisher_;  // null: the connection is lost
  std::optional<Clock::time_point> start_;   // when the picture of time 0 was or would have been due
  Clock::time_point next_attempt_;
  std::chrono::milliseconds pause_ = kFirstPause;
  std::string failure_;
  int64_t next_frame_ = 0;
};

}  // namespace

bool is_rtmp(std::string_view target) { return target.starts_with("rtmp://") || target.starts_with("rtmps://"); }

void require_rtmp_server(std::string_view target) {
  const RtmpUrl url = RtmpUrl::parse(target);
  libav::set_up();
  AVIOContext* connection = nullptr;
  AVDictionary* options = nullptr;
  av_dict_set(&options, "timeout", "5000000", 0);  // in microseconds
  const int result = avio_open2(&connection, ("tcp://" + url.tcp).c_str(), AVIO_FLAG_READ_WRITE, nullptr, &options);
  av_dict_free(&options);
  avio_closep(&connection);
  require(result >= 0, ErrorCode::unavailable, "the RTMP server {} cannot be reached: {}", url.shown,
          libav::message(result));
}

std::unique_ptr<VideoOutput> open_rtmp_output(const VideoOutputOptions& options) {
  return std::make_unique<RtmpOutput>(options);
}

}  // namespace rushes::media
