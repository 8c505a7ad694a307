#include "rushes/media/audio_stream.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "rushes/media/audio_assembly.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/audio_formats.h"
#include "rushes/media/frame_formats.h"

namespace rushes::media {

// The two threads take turns: the decoder's runs while there are bytes that it has not read, feed()'s while there are
// none.
struct AudioStream::State {
  State(std::string_view demuxer, const AudioLimits& limits) : format(demuxer), assembly(limits) {
    decoder = std::thread([this] { run(); });
  }
  ~State() {
    {
      const std::scoped_lock lock(mutex);
      closed = abandoned = true;
    }
    changed.notify_all();
    decoder.join();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void run() {
    try {
      libav::DecodedStream stream([this](uint8_t* target, int wanted) { return read(target, wanted); }, format.c_str(),
                                  kAudio);
      for (const AVFrame* frame = stream.next(); frame != nullptr && !abandoned; frame = stream.next())
        assembly.add(*frame, stream);
    } catch (const Error& error) {
      failure = error;
    } catch (const std::exception& error) {  // out of memory
      failure = Error(ErrorCode::exhausted, error.what());
    }
    const std::scoped_lock lock(mutex);
    ended = true;
    changed.notify_all();
  }

  /// As DecodedStream::More.
  int read(uint8_t* target, int wanted) {
    std::unique_lock lock(mutex);
    if (unread.empty()) {
      starved = true;
      changed.notify_all();
      changed.wait(lock, [&] { return !unread.empty() || closed; });
      starved = false;
    }
    const std::size_t count = std::min(unread.size(), static_cast<std::size_t>(wanted));
    std::copy_n(unread.begin(), count, target);
    unread = unread.subspan(count);
    return static_cast<int>(count);
  }

  /// Lets the decoder run until it wants more bytes than `piece`, or to the end of all.
  DecodedAudio decode(std::span<const uint8_t> piece, bool last) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return starved || ended; });
      unread = piece;
      closed = closed || last;
      if (!unread.empty() || closed) starved = false;
      changed.notify_all();
      changed.wait(lock, [&] { return starved || ended; });
      unread = {};
    }
    if (failure) {
      const Error error = *failure;
      fail(error.code(), "{}", error.what());
    }
    return assembly.take(last || ended ? AudioAssembly::Hold::nothing : AudioAssembly::Hold::some);
  }

  const std::string format;
  std::thread decoder;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::span<const uint8_t> unread;  // the caller's, while it waits
  bool starved = false;             // the decoder waits
  bool closed = false, ended = false;
  // Of whoever's turn it is.
  bool abandoned = false;  // nobody takes what is decoded, and whoever is asked for its memory may be gone
  std::optional<Error> failure;
  AudioAssembly assembly;
};

AudioStream::AudioStream(std::string_view format, const AudioLimits& limits)
    : state_(std::make_unique<State>(format, limits)) {}
AudioStream::~AudioStream() = default;
AudioStream::AudioStream(AudioStream&&) noexcept = default;
AudioStream& AudioStream::operator=(AudioStream&&) noexcept = default;

DecodedAudio AudioStream::feed(std::span<const uint8_t> piece) { return state_->decode(piece, /*last=*/false); }
DecodedAudio AudioStream::finish() { return state_->decode({}, /*last=*/true); }
bool AudioStream::ended() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->ended;
}

namespace {

constexpr std::size_t kMostWholeBytes = 4 << 20;      // of a piece that seemed complete
constexpr std::size_t kMostTrailerBytes = 256 << 10;  // tags behind the sound
constexpr double kLeastMissingSeconds = 0.15;         // of a file that breaks off; codecs pad their ends by less
constexpr int kMostFilesInPiece = 64;                 // of samples, one behind the other

bool contains(std::span<const uint8_t> bytes, std::string_view mark) {
  return std::search(bytes.begin(), bytes.end(), mark.begin(), mark.end()) != bytes.end();
}

/// The newest page of an Ogg file says that it is the last one (RFC 3533, section 6).
bool ends_ogg(std::span<const uint8_t> bytes) {
  constexpr std::string_view kPage = "OggS";
  const auto page = std::find_end(bytes.begin(), bytes.end(), kPage.begin(), kPage.end());
  return bytes.end() - page > 5 && (page[5] & 4) != 0;
}

struct WholeFile {
  DecodedAudio audio;
  bool complete = false;
};

/// `first`, then `second`, at the rate of the second if it has one.
DecodedAudio joined(DecodedAudio first, DecodedAudio second) {
  if (first.samples.empty())
    first.hz = second.hz > 0 ? second.hz : first.hz;
  else if (second.hz > 0 && second.hz != first.hz)
    first = resampled(first, second.hz);
  first.samples.insert(first.samples.end(), second.samples.begin(), second.samples.end());
  first.warnings.insert(first.warnings.end(), second.warnings.begin(), second.warnings.end());
  return first;
}

/// The piece as a file of its own, and whether it is all of one: as long as it says, and not made to be continued.
WholeFile decode_whole(std::string_view format, std::span<const uint8_t> piece, const AudioLimits& limits) {
  libav::DecodedStream stream(piece, kAudio);
  AudioAssembly assembly(limits);
  while (const AVFrame* frame = stream.next()) assembly.add(*frame, stream);
  WholeFile file{assembly.take(AudioAssembly::Hold::nothing)};
  if (file.audio.hz == 0) file.audio.hz = stream.stream().codecpar->sample_rate;
  const auto told = stream.told_seconds();
  const bool as_told = told && file.audio.seconds() > *told - kLeastMissingSeconds;
  file.complete = format == "ogg" ? ends_ogg(piece) : as_told && !(format == "mov" && contains(piece, "mvex"));
  return file;
}

}  // namespace

/// What begins here, whatever was before it.
DecodedAudio AudioPieces::begin_anew(std::string_view format, std::span<const uint8_t> piece) {
  Closed before = close();
  if (!before.nothing_heard.empty()) before.audio.warnings.push_back(std::move(before.nothing_heard));
  return joined(std::move(before.audio), begin(format, piece));
}

DecodedAudio AudioPieces::begin(std::string_view format, std::span<const uint8_t> piece) {
  if (!LateIndex::may_be_needed(format)) return begin_known(format, piece);
  late_.emplace(format, most_kept_bytes_);
  return feed_late(piece);
}

/// Of a file of which it is not known yet whether it can be heard as it comes.
DecodedAudio AudioPieces::feed_late(std::span<const uint8_t> piece) {
  LateIndex::Order order = LateIndex::Order::open;
  try {
    order = late_->feed(piece);
  } catch (const Error&) {
    late_.reset();
    throw;
  }
  if (order == LateIndex::Order::open || order == LateIndex::Order::index_last) return {};
  const LateIndex file = std::move(*late_);
  late_.reset();
  if (order == LateIndex::Order::complete) {
    trailer_left_ = kMostTrailerBytes;
    return decode_audio(file.bytes(), limits_);
  }
  return begin_known(file.demuxer(), file.bytes());
}

DecodedAudio AudioPieces::feed_stream(std::span<const uint8_t> piece) {
  try {
    DecodedAudio audio = stream_->feed(piece);
    is_heard_ = is_heard_ || !audio.samples.empty();
    unheard_bytes_ += piece.size();
    return audio;
  } catch (const Error&) {
    stream_.reset();
    throw;
  }
}

DecodedAudio AudioPieces::begin_known(std::string_view format, std::span<const uint8_t> piece) {
  is_tagged_ = false;
  trailer_left_ = 0;
  if (format == "wav") {
    // FFmpeg would wait for 64 KiB of samples, lest they be something else.
    const std::optional<WavHeader> header = wav_header(piece);
    if (!header) begun_.assign(piece.begin(), piece.end());
    if (!header) return {};
    if (header->pcm) {
      wav_.emplace(*header, limits_);
      return feed_wav(piece.subspan(header->bytes));
    }
  }
  WholeFile file;
  try {
    file = decode_whole(format, piece, limits_);
  } catch (const Error& error) {
    const bool is_full = error.code() == ErrorCode::too_large || error.code() == ErrorCode::exhausted;
    if (is_full) throw;  // else it is too short to be opened as a file
  }
  if (!file.complete) {
    file = {};  // which is decoded again
    stream_.emplace(format, limits_);
    stream_format_ = format;
    is_heard_ = false;
    unheard_bytes_ = 0;
    return feed_stream(piece);
  }
  if (piece.size() <= kMostWholeBytes) whole_.assign(piece.begin(), piece.end());
  whole_format_ = format;
  whole_samples_ = file.audio.samples.size();
  return std::move(file.audio);
}

/// Of the WAV file that has begun, and of those behind it.
DecodedAudio AudioPieces::feed_wav(std::span<const uint8_t> piece) {
  WavStream::Fed fed = wav_->feed(piece);
  if (fed.rest.empty()) return std::move(fed.audio);
  const auto format = audio_format_of(fed.rest, Sure::no);
  if (!format) begun_.assign(fed.rest.begin(), fed.rest.end());
  if (!format) return std::move(fed.audio);
  require(++files_in_piece_ < kMostFilesInPiece, ErrorCode::too_large,
          "the piece has more than {} audio files; send them in several pieces", kMostFilesInPiece);
  return joined(std::move(fed.audio), begin_anew(*format, fed.rest));
}

/// Skips tags in front of a file, which may be long and have nothing that is heard.
std::span<const uint8_t> AudioPieces::behind_tags(std::span<const uint8_t> piece) {
  for (;;) {
    const std::size_t count = std::min(tag_left_, piece.size());
    tag_left_ -= count;
    piece = piece.subspan(count);
    const std::size_t tag = stream_ || wav_ || late_ ? 0 : id3_tag_bytes(piece);
    if (tag == 0) return piece;
    tag_left_ = tag;
    is_tagged_ = true;
    whole_.clear();
  }
}

/// A piece that begins as `format` does is not a part of what came before. Containers may have frames of other formats
/// inside, and a piece may begin with them.
bool AudioPieces::begins_anew(std::string_view format) const {
  if (!stream_) return true;
  const bool bare_frames = is_frame_format(stream_format_) && stream_format_ != "mpegts";
  return bare_frames && is_frame_format(format) && format != stream_format_;
}

DecodedAudio AudioPieces::feed(std::span<const uint8_t> piece, std::string_view told) {
  files_in_piece_ = 0;
  if (stream_ && stream_->ended()) {
    if (is_heard_) trailer_left_ = kMostTrailerBytes;
    stream_.reset();
  }
  std::vector<uint8_t> both;
  if (!begun_.empty()) {
    both = std::exchange(begun_, {});
    both.insert(both.end(), piece.begin(), piece.end());
    piece = both;
  }
  piece = behind_tags(piece);
  if (piece.empty()) return {};
  if (const auto format = audio_format_of(piece, Sure::yes)) return begin_anew(*format, piece);
  if (late_) return feed_late(piece);
  if (const auto format = audio_format_of(piece, Sure::no); format && begins_anew(*format))
    return begin_anew(*format, piece);
  if (stream_) return feed_stream(piece);
  if (wav_) return feed_wav(piece);
  if (!whole_.empty()) return continue_whole(piece);
  if (may_begin_format(piece)) {
    begun_.assign(piece.begin(), piece.end());
    return {};
  }
  if (trailer_left_ >= piece.size()) {
    trailer_left_ -= piece.size();
    return {};
  }
  if (is_tagged_ || !told.empty()) return begin(told.empty() ? "mp3" : told, piece);
  return decode_audio(piece, limits_);  // a format without a mark, which comes whole
}

/// What seemed complete goes on after all: as a stream from its beginning, of which the first samples are known.
DecodedAudio AudioPieces::continue_whole(std::span<const uint8_t> piece) {
  const std::vector<uint8_t> first = std::exchange(whole_, {});
  stream_.emplace(whole_format_, limits_);
  stream_format_ = whole_format_;
  is_heard_ = true;
  DecodedAudio known = stream_->feed(first);
  DecodedAudio audio = joined(std::move(known), stream_->feed(piece));
  const std::size_t count = std::min(whole_samples_, audio.samples.size());
  audio.samples.erase(audio.samples.begin(), audio.samples.begin() + static_cast<std::ptrdiff_t>(count));
  return audio;
}

AudioPieces::Closed AudioPieces::close() {
  Closed closed;
  whole_.clear();
  is_tagged_ = false;
  tag_left_ = trailer_left_ = 0;
  if (wav_) closed.audio = wav_->finish();
  wav_.reset();
  std::size_t lost = 0;  // bytes
  if (auto stream = std::exchange(stream_, std::nullopt)) {
    if (!stream->ended()) closed.audio = stream->finish();
    if (!is_heard_ && closed.audio.samples.empty()) lost = unheard_bytes_;
  }
  if (const auto late = std::exchange(late_, std::nullopt))
    closed.nothing_heard = fmt::format(
        "the {} file breaks off after {} bytes, before its index ({}), which comes last in it: nothing of it can be "
        "heard",
        late->format(), late->bytes().size(), late->index());
  else if (lost > 0)
    closed.nothing_heard = fmt::format("nothing in the {} bytes of audio could be decoded; is the file damaged?", lost);
  return closed;
}

DecodedAudio AudioPieces::finish() {
  DecodedAudio last;
  const std::vector<uint8_t> begun = std::exchange(begun_, {});
  if (wav_) {
    const auto format = audio_format_of(begun, Sure::no, /*at_end=*/true);
    last = format ? begin_anew(*format, begun) : wav_->finish(begun);
    if (!format) wav_.reset();
    begun_.clear();
  } else if (trailer_left_ == 0 && !begun.empty()) {
    const auto format = audio_format_of(begun, Sure::no, /*at_end=*/true);
    if (format) last = begin(*format, begun);
    // The header of a WAV file that breaks off has begun again.
    const bool is_open = !std::exchange(begun_, {}).empty();
    if (!format || is_open) last = decode_audio(begun, limits_);
  }
  Closed closed = close();
  require(closed.nothing_heard.empty(), ErrorCode::corrupt_data, "{}", closed.nothing_heard);
  return joined(std::move(last), std::move(closed.audio));
}

}  // namespace rushes::media
