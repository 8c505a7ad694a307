// The way of speech from a client to the model: any bytes as a sound file are samples in range or an Error, and samples
// cut into pieces, resampled and cut into windows, keep their count. The first byte says how.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "rushes/audio/chunk_buffer.h"
#include "rushes/audio/stream_resampler.h"
#include "rushes/base/error.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/pcm.h"

namespace {

using rushes::audio::ChunkBuffer;
using rushes::audio::StreamResampler;

constexpr int64_t kSpeechHz = 16'000;
const rushes::media::AudioLimits kLimits{.max_bytes = 1 << 20, .max_seconds = 20};

void demand(bool holds) {
  if (!holds) std::abort();
}

/// As a session hears it: pieces of any length through one resampler into overlapping windows.
void hear(const rushes::media::DecodedAudio& audio, std::size_t piece, double window_seconds) {
  StreamResampler resampler(audio.hz, kSpeechHz);
  ChunkBuffer windows(ChunkBuffer::Options::of_seconds(window_seconds, kSpeechHz));
  int64_t heard = 0;
  const auto take = [&](const std::vector<float>& samples) {
    heard += static_cast<int64_t>(samples.size());
    for (const auto& window : windows.feed(samples))
      demand(static_cast<int64_t>(window.size()) == windows.options().chunk_samples);
  };
  const std::span<const float> all(audio.samples);
  for (std::size_t at = 0; at < all.size(); at += piece)
    take(resampler.feed(all.subspan(at, std::min(piece, all.size() - at))));
  take(resampler.flush());
  const auto count = static_cast<int64_t>(all.size());
  demand(heard == (count * kSpeechHz + audio.hz - 1) / audio.hz);
  if (const auto rest = windows.flush()) demand(static_cast<int64_t>(rest->size()) == windows.options().chunk_samples);
  demand(windows.waiting() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> bytes(data + 1, size - 1);
  const auto piece = static_cast<std::size_t>(1 + (data[0] >> 3) * 97);
  try {
    const auto audio = rushes::media::decode_audio(bytes, kLimits);
    demand(audio.hz > 0 && audio.seconds() <= kLimits.max_seconds + 1);
    for (const float sample : audio.samples) demand(std::isfinite(sample) && std::abs(sample) <= 8.0f);
    hear(audio, piece, 0.1 + (data[0] & 7) * 0.1);
  } catch (const rushes::Error&) {}
  const auto bare = rushes::media::decode_pcm(bytes, {.hz = kSpeechHz, .channels = 1 + (data[0] & 1)});
  demand(bare.samples.size() == bytes.size() / 2 / (1 + (data[0] & 1u)));
  return 0;
}
