// Sound in a container that arrives in pieces, cut anywhere: a browser's recorder, or a file that is sent as it is
// read.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "rushes/media/wav_stream.h"

namespace rushes::media {

/// The bytes begin with the mark of a format that AudioPieces reads.
bool is_known_header(std::span<const uint8_t> bytes);

/// One stream. It has a thread of its own, which FFmpeg's demuxers need to wait for bytes in. One thread at a time.
class AudioStream {
 public:
  /// `format` is what audio_format_of() says of its beginning; at most `max_seconds` come out of a piece.
  AudioStream(std::string_view format, double max_seconds);
  ~AudioStream();
  AudioStream(AudioStream&&) noexcept;
  AudioStream& operator=(AudioStream&&) noexcept;

  /// All that can be known by now: returns when every byte has been looked at. Throws Error: unsupported, corrupt_data,
  /// too_large; the stream has then ended.
  DecodedAudio feed(std::span<const uint8_t> piece);
  /// What was held back; nothing can be fed any more.
  DecodedAudio finish();
  /// Its container is complete, or it has failed: what follows is not a part of it.
  bool ended() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Sound as it arrives piece by piece from one speaker: complete files, or one stream that is cut anywhere and of which
/// only the first piece has a header. One thread at a time.
class AudioPieces {
 public:
  explicit AudioPieces(double max_seconds) : max_seconds_(max_seconds) {}

  /// The sound of `piece`, one channel at its own rate, with no more held back than its codec and container need.
  /// Throws Error: unsupported (neither a header that is known nor a part of what came before), corrupt_data,
  /// too_large.
  DecodedAudio feed(std::span<const uint8_t> piece);
  /// Nothing more belongs to what came: what was held back. The next piece begins anew.
  DecodedAudio finish();
  /// A piece without a header would be a part of what came before.
  bool goes_on() const noexcept { return stream_ || wav_ || !begun_.empty() || !whole_.empty(); }

 private:
  DecodedAudio begin(std::string_view format, std::span<const uint8_t> piece);
  DecodedAudio feed_wav(std::span<const uint8_t> piece);
  DecodedAudio continue_whole(std::span<const uint8_t> piece);

  double max_seconds_;
  std::optional<AudioStream> stream_;
  std::vector<uint8_t> begun_;  // too short to be recognised
  // A piece that seemed complete, should the next one have no header of its own.
  std::vector<uint8_t> whole_;
  std::string_view whole_format_;
  std::size_t whole_samples_ = 0;
  std::optional<WavStream> wav_;  // of samples
  int files_in_piece_ = 0;
};

}  // namespace rushes::media
