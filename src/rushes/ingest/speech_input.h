// What a session hears: pieces of sound, resampled as the one stream that they are, or somebody's microphone.
#pragma once
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "rushes/audio/stream_resampler.h"
#include "rushes/generation/session.h"
#include "rushes/ingest/microphone.h"

namespace rushes::ingest {

/// One thread, but for feed().
class SpeechInput {
 public:
  enum class Resampling {
    stream,     // pieces are parts of one stream
    each_piece  // pieces know nothing of each other, as a published server has it
  };
  using Utterance = generation::Session::Utterance;

  /// More than `max_waiting` seconds of speech are never to wait for the generator.
  explicit SpeechInput(std::shared_ptr<generation::Session> session,
                       double max_waiting = std::numeric_limits<double>::infinity())
      : session_(std::move(session)), max_waiting_(max_waiting) {}

  /// One channel in [-1, 1], behind all that came before. Where the utterance ends it is spoken without waiting for
  /// more, and what follows is another one. Any thread, since resampling takes its time; of two at once one waits for
  /// the other. Throws Error(exhausted), having taken nothing, if too much would wait, and as Session::feed_speech().
  void feed(std::span<const float> samples, int64_t hz, Utterance utterance,
            Resampling resampling = Resampling::stream);
  /// From now on it hears what `peer` says, `greeting`, at the session's speech_hz, first. Throws Error(conflict) while
  /// another one speaks.
  const Microphone& listen(std::shared_ptr<media::WebRtcPeer> peer, std::vector<float> greeting);
  /// Nobody speaks any more.
  void hang_up() { microphone_.reset(); }
  /// Who speaks by WebRTC, or did last; null: nobody has.
  const Microphone* microphone() const noexcept { return microphone_.get(); }
  bool listens() const { return microphone_ && !microphone_->ended(); }

 private:
  void require_room(std::size_t samples, int64_t hz) const;

  const std::shared_ptr<generation::Session> session_;
  const double max_waiting_;
  std::mutex feeding_;  // guards the resampler and the order of pieces
  std::optional<audio::StreamResampler> resampler_;
  std::unique_ptr<Microphone> microphone_;
};

}  // namespace rushes::ingest
