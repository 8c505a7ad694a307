// Sound without a header: whoever sends it says how its samples are written.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "rushes/audio/downmix.h"
#include "rushes/media/decoded_audio.h"

namespace rushes::media {

enum class PcmEncoding { s16le, s16be, f32le };
inline constexpr PcmEncoding kPcmEncodings[] = {PcmEncoding::s16le, PcmEncoding::s16be, PcmEncoding::f32le};

/// The enumerator's own spelling.
constexpr std::string_view name(PcmEncoding encoding) {
  switch (encoding) {
    case PcmEncoding::s16le: return "s16le";
    case PcmEncoding::s16be: return "s16be";
    case PcmEncoding::f32le: return "f32le";
  }
  return "?";
}

struct Pcm {
  PcmEncoding encoding = PcmEncoding::s16le;
  int64_t hz = 16'000;
  int64_t channels = 1;  // interleaved

  int64_t frame_bytes() const noexcept { return channels * (encoding == PcmEncoding::f32le ? 4 : 2); }
  bool operator==(const Pcm&) const = default;
};

inline constexpr int64_t kLeastPcmHz = 1000, kMostPcmHz = 768'000, kMostPcmChannels = 32;
/// Throws Error(invalid_argument) naming what is out of range.
void check_pcm(const Pcm& pcm);

/// A media type as RFC 2586 has it, "audio/L16;rate=16000;channels=1" (big-endian, 44100 Hz where it does not say), or
/// "audio/pcm" with the same parameters (as `usual` where it does not say). Nothing: another type. Throws as
/// check_pcm().
std::optional<Pcm> pcm_of_media_type(std::string_view content_type, const Pcm& usual);

/// What a WAV file says before its samples.
struct WavHeader {
  std::optional<Pcm> pcm;  // nothing: it is written otherwise than Pcm can say
  std::size_t bytes = 0;   // the samples begin behind them
};
/// Nothing: there is more of it to come. The file begins as WAV files do.
std::optional<WavHeader> wav_header(std::span<const uint8_t> file);

/// Throws Error(unsupported) if a piece that is to be samples is text: its first bytes are all printable, which those
/// of sound hardly are. Fewer than `least` bytes say nothing.
void require_no_text(std::span<const uint8_t> piece, std::size_t least = 0);

/// All of it; a cut-off last frame of channels is left out.
DecodedAudio decode_pcm(std::span<const uint8_t> bytes, const Pcm& pcm);

/// The same of a stream that is cut anywhere. One thread at a time.
class PcmPieces {
 public:
  /// What `piece` completes; another `pcm` than before begins another stream.
  DecodedAudio feed(std::span<const uint8_t> piece, const Pcm& pcm);
  /// What was held back; a frame of channels that is incomplete is left out. The next piece begins anew.
  DecodedAudio finish();

 private:
  std::optional<Pcm> pcm_;
  std::vector<uint8_t> begun_;  // less than a frame of channels
  std::optional<audio::Downmix> downmix_;
};

}  // namespace rushes::media
