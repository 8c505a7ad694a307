// Sound in a container that arrives in pieces, cut anywhere: a browser's recorder, or a file that is sent as it is
// read.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rushes/media/late_index.h"
#include "rushes/media/wav_stream.h"

namespace rushes::media {

/// One stream. It has a thread of its own, which FFmpeg's demuxers need to wait for bytes in. One thread at a time.
class AudioStream {
 public:
  /// `format` is what audio_format_of() says of its beginning; `limits` are those of what comes out of a piece.
  AudioStream(std::string_view format, const AudioLimits& limits);
  ~AudioStream();
  AudioStream(AudioStream&&) noexcept;
  AudioStream& operator=(AudioStream&&) noexcept;

  /// All that can be known by now: returns when every byte has been looked at. Throws Error: unsupported, corrupt_data,
  /// too_large, and with its code what limits.admit throws; the stream has then ended.
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
  static constexpr std::size_t kMostKeptBytes = std::size_t{128} << 20;
  /// `limits` are those of what comes out of a piece. `most_kept_bytes`: of a file that cannot be heard before its end
  /// has come.
  explicit AudioPieces(AudioLimits limits, std::size_t most_kept_bytes = kMostKeptBytes)
      : limits_(std::move(limits)), most_kept_bytes_(most_kept_bytes) {}
  explicit AudioPieces(double max_seconds, std::size_t most_kept_bytes = kMostKeptBytes)
      : AudioPieces(AudioLimits{.max_seconds = max_seconds}, most_kept_bytes) {}

  /// The sound of `piece`, one channel at its own rate or limits.max_hz, with no more held back than its codec and
  /// container need. `told`: the demuxer, as frame_format_of_media_type() says it, of pieces that do not say it
  /// themselves. Throws Error: unsupported (neither a header that is known nor a part of what came before),
  /// corrupt_data, too_large.
  DecodedAudio feed(std::span<const uint8_t> piece, std::string_view told = {});
  /// Nothing more belongs to what came: what was held back. The next piece begins anew. Throws Error(corrupt_data) if
  /// nothing of all that came could be decoded.
  DecodedAudio finish();
  /// A piece without a header would be a part of what came before.
  bool goes_on() const noexcept {
    return stream_ || wav_ || late_ || is_tagged_ || trailer_left_ > 0 || !begun_.empty() || !whole_.empty();
  }
  /// Of a file that cannot be heard before its end has come.
  std::size_t kept_bytes() const noexcept { return late_ ? late_->bytes().size() : 0; }
  void drop_kept() noexcept { late_.reset(); }

 private:
  struct Closed {
    DecodedAudio audio;
    std::string nothing_heard;  // why; empty: something was
  };
  Closed close();
  DecodedAudio begin(std::string_view format, std::span<const uint8_t> piece);
  DecodedAudio begin_anew(std::string_view format, std::span<const uint8_t> piece);
  DecodedAudio begin_known(std::string_view format, std::span<const uint8_t> piece);
  std::span<const uint8_t> behind_tags(std::span<const uint8_t> piece);
  bool begins_anew(std::string_view format) const;
  DecodedAudio feed_stream(std::span<const uint8_t> piece);
  DecodedAudio feed_late(std::span<const uint8_t> piece);
  DecodedAudio feed_wav(std::span<const uint8_t> piece);
  DecodedAudio continue_whole(std::span<const uint8_t> piece);

  AudioLimits limits_;
  std::size_t most_kept_bytes_;
  std::optional<AudioStream> stream_;
  std::string_view stream_format_;
  std::size_t unheard_bytes_ = 0;  // of a stream of which nothing has been heard
  bool is_heard_ = false;          // something of the stream
  std::optional<LateIndex> late_;
  std::vector<uint8_t> begun_;  // too short to be recognised
  // Behind an ID3 tag, of which so much is still to come.
  std::size_t tag_left_ = 0;
  bool is_tagged_ = false;
  std::size_t trailer_left_ = 0;  // may come behind a stream that has ended, and is not heard
  // A piece that seemed complete, should the next one have no header of its own.
  std::vector<uint8_t> whole_;
  std::string_view whole_format_;
  std::size_t whole_samples_ = 0;
  std::optional<WavStream> wav_;  // of samples
  int files_in_piece_ = 0;
};

}  // namespace rushes::media
