#include "rushes/media/audio_assembly.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace rushes::media {
namespace {

constexpr int64_t kMaxChannels = 32, kMaxHz = 768'000;
// Containers round their time stamps, and clocks drift: less is no gap.
constexpr double kLeastGapSeconds = 0.02;

/// One value of a decoded frame in [-1, 1].
float value(const AVFrame& frame, int channel, int i) {
  const auto format = static_cast<AVSampleFormat>(frame.format);
  const bool planar = av_sample_fmt_is_planar(format) != 0;
  const uint8_t* data = frame.extended_data[planar ? channel : 0];
  const int at = planar ? i : i * frame.ch_layout.nb_channels + channel;
  switch (av_get_packed_sample_fmt(format)) {
    case AV_SAMPLE_FMT_U8: return static_cast<float>(data[at] - 128) / 128.0f;
    case AV_SAMPLE_FMT_S16: return static_cast<float>(reinterpret_cast<const int16_t*>(data)[at]) / 32768.0f;
    case AV_SAMPLE_FMT_S32: return static_cast<float>(reinterpret_cast<const int32_t*>(data)[at] / 2147483648.0);
    case AV_SAMPLE_FMT_S64:
      return static_cast<float>(static_cast<double>(reinterpret_cast<const int64_t*>(data)[at]) /
                                9223372036854775808.0);
    case AV_SAMPLE_FMT_FLT: return reinterpret_cast<const float*>(data)[at];
    case AV_SAMPLE_FMT_DBL: return static_cast<float>(reinterpret_cast<const double*>(data)[at]);
    default: fail(ErrorCode::unsupported, "the audio has an unknown sample format");
  }
}

/// Channels interleaved, from the frame's sample `first` on; what is not sound is left as it is.
std::vector<float> interleaved(const AVFrame& frame, int64_t first) {
  std::vector<float> all;
  all.reserve(static_cast<std::size_t>((frame.nb_samples - first) * frame.ch_layout.nb_channels));
  for (int i = static_cast<int>(first); i < frame.nb_samples; ++i)
    for (int channel = 0; channel < frame.ch_layout.nb_channels; ++channel) all.push_back(value(frame, channel, i));
  return all;
}

}  // namespace

void AudioAssembly::require_room(int64_t more) const {
  const double seconds = static_cast<double>(position_ + more - taken_) / static_cast<double>(hz_);
  require(seconds <= limits_.max_seconds, ErrorCode::too_large, "the audio is longer than {} s; send it in pieces",
          limits_.max_seconds);
  // A file says its rate itself: some kilobytes of FLAC at 655 kHz would become gigabytes within any limit of seconds.
  require(position_ + more - taken_ <= limits_.max_samples, ErrorCode::too_large,
          "the audio has more than {} samples at {} Hz; send it in pieces", limits_.max_samples, hz_);
}

void AudioAssembly::begin_part(const AVFrame& frame) {
  const int64_t hz = frame.sample_rate, channels = frame.ch_layout.nb_channels;
  require(hz > 0 && hz <= kMaxHz && channels > 0 && channels <= kMaxChannels, ErrorCode::unsupported,
          "the audio has {} channels at {} Hz; 1 to {} channels and up to {} Hz are allowed", channels, hz,
          kMaxChannels, kMaxHz);
  if (part_ && part_->hz == hz && part_->downmix.channels() == channels) return;
  end_part();
  if (hz_ == 0) hz_ = limits_.max_hz > 0 ? std::min(hz, limits_.max_hz) : hz;
  part_.emplace(Part{audio::Downmix(channels, hz), hz, std::nullopt});
  if (hz != hz_) part_->resampler.emplace(hz, hz_);
}

void AudioAssembly::append(std::span<const float> mono) {
  std::vector<float> resampled;
  if (part_->resampler) mono = resampled = part_->resampler->feed(mono);
  keep(mono);
}

/// A resampler swings beyond the loudest of its samples.
void AudioAssembly::keep(std::span<const float> mono) {
  grow(mono.size());
  for (const float sample : mono) samples_.push_back(std::clamp(sample, -kLoudest, kLoudest));
}

/// Makes room for `more` samples.
void AudioAssembly::grow(std::size_t more) {
  const std::size_t size = samples_.size() + more;
  if (limits_.admit) limits_.admit(static_cast<int64_t>(size * sizeof(float)));
  // By less than vectors grow by themselves: what is not asked for is not to be much.
  if (size > samples_.capacity()) samples_.reserve(std::max(size, samples_.capacity() + samples_.capacity() / 4));
}

void AudioAssembly::end_part() {
  if (!part_) return;
  std::vector<float> mono;
  part_->downmix.flush(mono);
  append(mono);
  if (part_->resampler) keep(part_->resampler->flush());
  part_->fed = 0;
  position_ = taken_ + static_cast<int64_t>(samples_.size());
}

void AudioAssembly::add(const AVFrame& frame, libav::DecodedStream& stream) {
  if (frame.nb_samples <= 0) return;
  begin_part(frame);
  const double ratio = static_cast<double>(hz_) / static_cast<double>(part_->hz);
  const auto least = static_cast<int64_t>(kLeastGapSeconds * static_cast<double>(hz_));
  const double here = static_cast<double>(position_) / static_cast<double>(hz_), at = stream.seconds(frame, here);
  require(at - here <= limits_.max_seconds, ErrorCode::too_large, "the audio is longer than {} s; send it in pieces",
          limits_.max_seconds);
  const int64_t gap = std::llround(at * static_cast<double>(hz_)) - position_;
  int64_t heard = 0;  // of the frame, already
  if (gap > least) {
    require_room(gap);
    end_part();
    const int64_t silence = std::llround(at * static_cast<double>(hz_)) - position_;
    if (silence > 0) grow(static_cast<std::size_t>(silence));
    samples_.resize(samples_.size() + static_cast<std::size_t>(std::max<int64_t>(0, silence)));
    position_ += std::max<int64_t>(0, silence);
  } else if (gap < -least) {
    heard = std::min<int64_t>(frame.nb_samples, std::llround(static_cast<double>(-gap) / ratio));
  }
  // Of all that was fed, lest what is rounded adds up: a frame may have 16 samples.
  const int64_t fed = part_->fed + frame.nb_samples - heard;
  const int64_t more =
      std::llround(static_cast<double>(fed) * ratio) - std::llround(static_cast<double>(part_->fed) * ratio);
  require_room(more);
  std::vector<float> mono, samples = interleaved(frame, heard);
  all_sound_ = all_sound_ && std::all_of(samples.begin(), samples.end(), is_sound);
  std::replace_if(
      samples.begin(), samples.end(), [](float sample) { return !is_sound(sample); }, 0.0f);
  part_->downmix.feed(samples, mono);
  append(mono);
  part_->fed = fed;
  position_ += more;
}

DecodedAudio AudioAssembly::take(Hold hold) {
  if (part_ && part_->downmix.cancels() && cancelled_channels_ == 0) cancelled_channels_ = part_->downmix.channels();
  std::vector<std::string> warnings;
  if (cancelled_channels_ > 0) warnings.push_back(cancelling_warning(cancelled_channels_));
  if (!all_sound_) warnings.push_back(no_sound_warning());
  if (hold == Hold::nothing) end_part();
  taken_ += static_cast<int64_t>(samples_.size());
  return {std::exchange(samples_, {}), hz_, std::move(warnings)};
}

}  // namespace rushes::media
