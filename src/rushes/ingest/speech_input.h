// What a session hears: pieces of sound, resampled as the one stream that they are, or somebody's microphone.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "rushes/audio/stream_resampler.h"
#include "rushes/generation/session.h"
#include "rushes/ingest/microphone.h"

namespace rushes::ingest {

/// One thread.
class SpeechInput {
 public:
  explicit SpeechInput(std::shared_ptr<generation::Session> session) : session_(std::move(session)) {}

  /// One channel in [-1, 1], behind all that came before. Throws as Session::feed_speech().
  void feed(const std::vector<float>& samples, int64_t hz);
  /// All that came is an utterance: it is spoken without waiting for more, and what follows is another one. Throws as
  /// Session::end_utterance().
  void end_utterance();
  /// From now on it hears what `peer` says, `greeting`, at the session's speech_hz, first. Throws Error(conflict) while
  /// another one speaks.
  const Microphone& listen(std::shared_ptr<media::WebRtcPeer> peer, std::vector<float> greeting);
  /// Nobody speaks any more.
  void hang_up() { microphone_.reset(); }
  /// Who speaks by WebRTC, or did last; null: nobody has.
  const Microphone* microphone() const noexcept { return microphone_.get(); }
  bool listens() const { return microphone_ && !microphone_->ended(); }

 private:
  void flush();

  const std::shared_ptr<generation::Session> session_;
  std::optional<audio::StreamResampler> resampler_;
  std::unique_ptr<Microphone> microphone_;
};

}  // namespace rushes::ingest
