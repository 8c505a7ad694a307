// A WAV file of plain samples that arrives in pieces, cut anywhere: heard as it comes, whatever its header says of its
// length.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "rushes/media/pcm.h"

namespace rushes::media {

/// What a WAV file says before its samples.
struct WavHeader {
  std::optional<Pcm> pcm = {};  // nothing: it is written otherwise than Pcm can say
  std::size_t bytes = 0;        // the samples begin behind them
  int64_t data_bytes = 0;       // of the samples, as it says
};
/// Nothing: there is more of it to come. The file begins as WAV files do.
std::optional<WavHeader> wav_header(std::span<const uint8_t> file);

/// What is behind the samples and chunks of a whole WAV file, as its header counts them.
std::span<const uint8_t> behind_wav(std::span<const uint8_t> file);

/// One file, behind its header. One thread at a time.
class WavStream {
 public:
  /// `limits` are those of what comes out of a piece. The header's `pcm` must be there.
  WavStream(const WavHeader& header, const AudioLimits& limits);

  struct Fed {
    DecodedAudio audio;
    std::span<const uint8_t> rest;  // of the piece: another file begins there, or it or a chunk may if more comes
  };
  /// Behind the samples that the header has announced, chunks that WAV files have are skipped. Anything else is more
  /// samples: whoever records writes the header first. Throws Error: too_large, unsupported (text); what
  /// `admit` throws.
  Fed feed(std::span<const uint8_t> piece);
  /// What was held back; the file ends. `rest`: of the last piece, if nothing has begun there.
  DecodedAudio finish(std::span<const uint8_t> rest = {});

 private:
  static constexpr int64_t kNoEnd = std::numeric_limits<int64_t>::max();
  enum class Place { samples, chunk, between };
  bool leave_gap(std::span<const uint8_t> piece);
  std::size_t padding(std::span<const uint8_t> piece) const;

  const Pcm pcm_;
  const AudioLimits limits_;
  PcmPieces samples_;
  Place place_ = Place::samples;
  int64_t left_;  // bytes, of the samples or of the chunk
  bool is_odd_;   // the samples: a byte is behind them that says nothing
};

}  // namespace rushes::media
