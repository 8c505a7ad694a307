// Sound without a header: whoever sends it says how its samples are written.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "rushes/audio/downmix.h"
#include "rushes/media/decoded_audio.h"

namespace rushes::media {

enum class PcmEncoding { s16le, s16be, f32le, u8, s24le, s32le };
/// Those that may be asked for; WAV files have the others too.
inline constexpr PcmEncoding kPcmEncodings[] = {PcmEncoding::s16le, PcmEncoding::s16be, PcmEncoding::f32le};

/// The enumerator's own spelling.
constexpr std::string_view name(PcmEncoding encoding) {
  switch (encoding) {
    case PcmEncoding::s16le: return "s16le";
    case PcmEncoding::s16be: return "s16be";
    case PcmEncoding::f32le: return "f32le";
    case PcmEncoding::u8: return "u8";
    case PcmEncoding::s24le: return "s24le";
    case PcmEncoding::s32le: return "s32le";
  }
  return "?";
}

constexpr int64_t sample_bytes(PcmEncoding encoding) {
  switch (encoding) {
    case PcmEncoding::u8: return 1;
    case PcmEncoding::s16le:
    case PcmEncoding::s16be: return 2;
    case PcmEncoding::s24le: return 3;
    case PcmEncoding::f32le:
    case PcmEncoding::s32le: return 4;
  }
  return 1;
}

struct Pcm {
  PcmEncoding encoding = PcmEncoding::s16le;
  int64_t hz = 16'000;
  int64_t channels = 1;  // interleaved

  int64_t frame_bytes() const noexcept { return channels * sample_bytes(encoding); }
  bool operator==(const Pcm&) const = default;
};

inline constexpr int64_t kLeastPcmHz = 1000, kMostPcmHz = 768'000, kMostPcmChannels = 32;
/// Throws Error(invalid_argument) naming what is out of range.
void check_pcm(const Pcm& pcm);

/// A media type as RFC 2586 has it, "audio/L16;rate=16000;channels=1" (big-endian, 44100 Hz where it does not say), or
/// "audio/pcm" with the same parameters (as `usual` where it does not say). Nothing: another type. Throws as
/// check_pcm().
std::optional<Pcm> pcm_of_media_type(std::string_view content_type, const Pcm& usual);

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
