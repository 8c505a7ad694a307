#include "rushes/ingest/speech_input.h"

#include "rushes/base/error.h"

namespace rushes::ingest {

void SpeechInput::flush() {
  if (!resampler_) return;
  session_->feed_speech(resampler_->flush());
  resampler_.reset();
}

void SpeechInput::feed(const std::vector<float>& samples, int64_t hz) {
  const int64_t to_hz = session_->format().speech_hz;
  if (resampler_ && resampler_->from_hz() != hz) flush();
  if (hz == to_hz) return session_->feed_speech(samples);
  if (!resampler_ && to_hz > 0) resampler_.emplace(hz, to_hz);
  session_->feed_speech(resampler_ ? resampler_->feed(samples) : samples);
}

void SpeechInput::end_utterance() {
  flush();
  session_->end_utterance();
}

const Microphone& SpeechInput::listen(std::shared_ptr<media::WebRtcPeer> peer, std::vector<float> greeting) {
  require(!listens(), ErrorCode::conflict, "somebody speaks to session {} already", session_->id().text());
  microphone_ = std::make_unique<Microphone>(std::move(peer), session_, std::move(greeting));
  return *microphone_;
}

}  // namespace rushes::ingest
