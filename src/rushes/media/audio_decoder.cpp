#include "rushes/media/audio_decoder.h"

#include "rushes/audio/resample.h"
#include "rushes/media/access_unit.h"
#include "rushes/media/audio_assembly.h"
#include "rushes/media/audio_formats.h"
#include "rushes/media/wav_stream.h"

namespace rushes::media {

DecodedAudio decode_audio(std::span<const uint8_t> bytes, const AudioLimits& limits) {
  require(!bytes.empty(), ErrorCode::corrupt_data, "the audio is empty (0 bytes); send {}", kAudio.formats);
  require(static_cast<int64_t>(bytes.size()) <= limits.max_bytes, ErrorCode::too_large,
          "the audio has {} bytes; at most {} are allowed", bytes.size(), limits.max_bytes);
  libav::DecodedStream stream(bytes, kAudio);
  AudioAssembly assembly(limits);
  while (const AVFrame* frame = stream.next()) assembly.add(*frame, stream);
  DecodedAudio decoded = assembly.take(AudioAssembly::Hold::nothing);
  if (decoded.hz == 0) decoded.hz = stream.stream().codecpar->sample_rate;
  require(decoded.hz > 0 && (!decoded.samples.empty() || bytes.size() <= 64), ErrorCode::corrupt_data,
          "nothing in the {} bytes of audio could be decoded; is the file damaged?", bytes.size());
  if (stream.format() == "wav") {
    const auto rest = behind_wav(bytes);
    if (audio_format_of(rest, Sure::no, /*at_end=*/true))
      decoded.warnings.push_back(fmt::format(
          "behind the WAV file another audio file begins; its {} bytes are not heard: send it by itself", rest.size()));
  }
  return decoded;
}

DecodedAudio read_audio(const NamedFile& file, const AudioLimits& limits) {
  return decoded_file(file, limits.max_bytes, [&](const Bytes& bytes) { return decode_audio(bytes, limits); });
}

DecodedAudio resampled(const DecodedAudio& audio, int64_t hz) {
  return {audio::resample(audio.samples, audio.hz, hz), hz, audio.warnings};
}

}  // namespace rushes::media
