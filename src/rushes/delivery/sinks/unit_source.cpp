#include "rushes/delivery/sinks/unit_source.h"

#include <cmath>
#include <cstdlib>
#include <iterator>
#include <span>

#include "rushes/media/audio_encoder.h"
#include "rushes/media/audio_unit_decoder.h"
#include "rushes/media/video_encoder.h"

namespace rushes::delivery {
namespace {

using media::AccessUnit;
using media::Pts;

// Times of pictures and sound are rounded apart; blocks are much longer.
constexpr Pts kRounding{90};

int64_t sample_at(Pts time, int64_t hz) {
  return std::llround(static_cast<double>(time.count() * hz) / Pts::period::den);
}

/// Samples to Opus. Where some are missing, what follows keeps its times.
class OpusAudio {
 public:
  void encode(std::span<const float> samples, int64_t first_sample, int64_t hz, std::vector<AccessUnit>& units) {
    // Times that went through a container are a sample off now and then.
    const bool follows = encoder_ && hz == hz_ && std::abs(first_sample - next_) <= hz / 100;
    if (!follows) {
      flush(units);
      encoder_ = std::make_unique<media::AudioEncoder>(hz, media::AudioCodec::opus);
      next_ = first_sample;
      hz_ = hz;
    }
    append(encoder_->encode(samples, next_), units);
    next_ += static_cast<int64_t>(samples.size());
  }

  void flush(std::vector<AccessUnit>& units) {
    if (encoder_) append(encoder_->flush(), units);
    encoder_.reset();
  }

 private:
  static void append(std::vector<AccessUnit> more, std::vector<AccessUnit>& units) {
    std::move(more.begin(), more.end(), std::back_inserter(units));
  }

  std::unique_ptr<media::AudioEncoder> encoder_;
  int64_t next_ = 0, hz_ = 0;  // sample that is to follow
};

/// The audio of a session that runs: the samples of its frame blocks, which its stream keeps longer than pixels.
class LiveAudio {
 public:
  explicit LiveAudio(const std::shared_ptr<generation::Session>& session)
      : events_(session->stream().subscribe(generation::Stream::Role::observer, generation::Stream::From::start)) {}

  /// Encodes the audio of the frames from `begin` to `end`.
  void encode(Pts begin, Pts end, OpusAudio& opus, std::vector<AccessUnit>& units) {
    for (;; read_.reset()) {
      if (!read_) read_ = events_->poll();
      if (!read_) return;
      const auto* block = std::get_if<generation::FrameBlock>(&read_->what);
      if (!block || !block->audio.samples) continue;
      const Pts first = media::frame_time(block->first_video_frame, block->fps);
      if (first + kRounding >= end) return;
      if (first + kRounding >= begin)
        opus.encode(*block->audio.samples, block->audio.first_sample, block->audio.hz, units);
    }
  }

 private:
  const std::unique_ptr<generation::Subscription> events_;
  generation::EventPtr read_;  // that is not used yet
};

/// The audio of a recording, decoded.
class RecordedAudio {
 public:
  explicit RecordedAudio(const media::AudioTrack& track) : decoder_(track) {}

  void encode(const std::vector<AccessUnit>& aac, OpusAudio& opus, std::vector<AccessUnit>& units) {
    for (const AccessUnit& unit : aac) {
      const std::vector<float> samples = decoder_.decode(unit);
      if (!samples.empty()) opus.encode(samples, sample_at(unit.pts, decoder_.hz()), decoder_.hz(), units);
    }
  }

 private:
  media::AudioUnitDecoder decoder_;
};

class StreamSource final : public UnitSource {
 public:
  explicit StreamSource(std::shared_ptr<EncodedStream> video) : video_(std::move(video)) {
    const bool over = video_->session()->over();  // the encoder may still be behind
    if (video_->audio_track()) {
      if (over)
        recorded_audio_.emplace(*video_->audio_track());
      else
        live_audio_.emplace(video_->session());
    }
    viewer_ = video_->watch(over ? EncodedStream::From::start : EncodedStream::From::newest);
  }

  Gop next(const std::stop_token& stop, Hearing hearing) override {
    while (const GopPtr gop = viewer_->next(stop))
      if (Gop sent = read(*gop, hearing); !sent.empty()) return sent;
    Gop rest;
    if (!stop.stop_requested()) opus_.flush(rest.audio);
    return rest;
  }

 private:
  Gop read(const Gop& gop, Hearing hearing) {
    Gop sent{.index = gop.index, .pictures = gop.pictures, .begin = gop.begin, .duration = gop.duration};
    if (hearing == Hearing::nobody) return sent;
    if (recorded_audio_) recorded_audio_->encode(gop.audio, opus_, sent.audio);
    if (live_audio_ && !gop.pictures.empty()) live_audio_->encode(gop.begin, gop.end(), opus_, sent.audio);
    return sent;
  }

  const std::shared_ptr<EncodedStream> video_;
  std::optional<LiveAudio> live_audio_;          // at most one of these
  std::optional<RecordedAudio> recorded_audio_;  // two is there
  OpusAudio opus_;
  std::unique_ptr<Viewer> viewer_;
};

class Vp8Source final : public UnitSource {
 public:
  explicit Vp8Source(const std::shared_ptr<generation::Session>& session)
      : encoder_({.width = session->format().width,
                  .height = session->format().height,
                  .fps = session->format().fps,
                  .encoder = "libvpx"}),
        frames_(session->stream().subscribe(generation::Stream::Role::viewer, generation::Stream::From::newest_block)) {
  }

  Gop next(const std::stop_token& stop, Hearing hearing) override {
    Gop gop;
    while (const generation::EventPtr event = frames_->next(stop)) {
      const auto* block = std::get_if<generation::FrameBlock>(&event->what);
      if (!block || !block->rgb) continue;
      for (int64_t t = 0; t < block->video_frames && !stop.stop_requested(); ++t)
        for (auto& unit : encoder_.encode(block->frame(t), media::frame_time(block->first_video_frame + t, block->fps),
                                          t == 0 ? media::Key::forced : media::Key::automatic))
          gop.pictures.push_back(std::move(unit));
      if (gop.pictures.empty()) continue;
      if (hearing == Hearing::somebody && block->audio.samples)
        opus_.encode(*block->audio.samples, block->audio.first_sample, block->audio.hz, gop.audio);
      return gop;
    }
    opus_.flush(gop.audio);
    return gop;
  }

 private:
  media::VideoEncoder encoder_;
  OpusAudio opus_;
  const std::unique_ptr<generation::Subscription> frames_;
};

}  // namespace

std::unique_ptr<UnitSource> h264_source(std::shared_ptr<EncodedStream> video) {
  return std::make_unique<StreamSource>(std::move(video));
}
std::unique_ptr<UnitSource> vp8_source(const std::shared_ptr<generation::Session>& session) {
  return std::make_unique<Vp8Source>(session);
}

}  // namespace rushes::delivery
