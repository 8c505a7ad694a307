// What a session hears: pieces of sound, resampled as the one stream that they are, or somebody's microphone.
#pragma once
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "rushes/audio/stream_resampler.h"
#include "rushes/base/memory_budget.h"
#include "rushes/generation/session.h"
#include "rushes/ingest/microphone.h"
#include "rushes/media/audio_stream.h"
#include "rushes/media/piece_sorter.h"

namespace rushes::ingest {

/// One thread, but for feed().
class SpeechInput {
 public:
  enum class Resampling {
    stream,     // pieces are parts of one stream
    each_piece  // pieces know nothing of each other, as a published server has it
  };
  using Utterance = generation::Session::Utterance;

  /// More than `max_waiting` seconds of speech are never to wait for the generator; `memory` is charged with those that
  /// do.
  explicit SpeechInput(std::shared_ptr<generation::Session> session,
                       double max_waiting = std::numeric_limits<double>::infinity(),
                       base::MemoryBudget::Charge memory = {})
      : session_(std::move(session)), max_waiting_(max_waiting), memory_(std::move(memory)) {}

  /// One channel in [-1, 1], behind all that came before. Where the utterance ends it is spoken without waiting for
  /// more, and what follows is another one. Any thread, since resampling takes its time; of two at once one waits for
  /// the other. Throws, having taken nothing, Error(exhausted) if too much would wait, here or in all sessions
  /// together; Error(too_large) for what would find no room later either; and as Session::feed_speech().
  void feed(std::span<const float> samples, int64_t hz, Utterance utterance,
            Resampling resampling = Resampling::stream);
  /// How a piece of sound is written.
  struct Encoding {
    /// Samples without a header; nothing: only what says itself what it is, or is of `container`.
    std::optional<media::Pcm> pcm = {};
    /// As media::frame_format_of_media_type() says; empty: nobody has said so.
    std::string_view container = {};
    /// `pcm` counts whatever the piece begins with; else only where that is neither a header that is known nor a part
    /// of a container that has begun.
    bool always_pcm = false;
    /// Nobody has said that it is `pcm`: text is refused, and the session is told.
    bool guessed = false;
  };
  static constexpr double kMaxPieceSeconds = 1800;
  /// The same of sound as it comes: complete files, or one stream that is cut anywhere, of which only the first piece
  /// has a header. What is wrong with the sound, but does not stop it, is told to the session. Throws as feed(), Error:
  /// unsupported, corrupt_data, too_large for what cannot be heard. Of a container in pieces nothing is given back: it
  /// is refused only where there is too much before it. Where there is no memory for what it decodes to, it is lost,
  /// and its container ends.
  void feed_piece(std::span<const uint8_t> piece, const Encoding& encoding, Utterance utterance,
                  Resampling resampling = Resampling::stream);
  /// From now on it hears what `peer` says, `greeting`, at the session's speech_hz, first. Throws Error(conflict) while
  /// another one speaks.
  const Microphone& listen(std::shared_ptr<media::WebRtcPeer> peer, std::vector<float> greeting);
  /// Gives back the memory of what has been spoken, and the connection of a speaker who has left. To be called now and
  /// then; never waits.
  void settle();
  /// Nobody speaks any more. Returns at once; the connection is closed by a thread of its own, since that takes its
  /// time.
  void hang_up();
  /// Who speaks by WebRTC, or has just left; null: nobody.
  const Microphone* microphone() const noexcept { return microphone_.get(); }
  bool listens() const { return microphone_ && !microphone_->ended(); }

 private:
  media::DecodedAudio decode(std::span<const uint8_t> piece, const Encoding& encoding);
  media::DecodedAudio decode(const media::PieceSorter::Sorted& sorted, const Encoding& encoding);
  media::DecodedAudio decode_bare(std::span<const uint8_t> piece, const media::Pcm& pcm);
  void charge_kept();
  void charge_decoded(int64_t bytes);
  void end_decoding();
  int64_t charged(double waiting) const;
  void require_possible(double piece) const;
  void require_room(double piece);
  double waiting_seconds() const;

  const std::shared_ptr<generation::Session> session_;
  const double max_waiting_;
  std::mutex decoding_;  // guards what decodes pieces, and their order
  media::AudioPieces containers_{media::AudioLimits{.max_seconds = kMaxPieceSeconds,
                                                    .max_hz = media::kMostSpeechHz,
                                                    .admit = [this](int64_t bytes) { charge_decoded(bytes); }}};
  media::PieceSorter sorter_;
  media::PcmPieces bare_;
  std::mutex feeding_;  // guards all that follows but the microphone, and the order of pieces
  base::MemoryBudget::Charge memory_;
  int64_t kept_bytes_ = 0;     // of a file that is heard when its end has come
  int64_t decoded_bytes_ = 0;  // of the piece that is decoded, before it waits
  std::optional<audio::StreamResampler> resampler_;
  double utterance_ = 0;  // seconds that were fed of the one that goes on
  std::unique_ptr<Microphone> microphone_;
  std::jthread closing_;
};

}  // namespace rushes::ingest
