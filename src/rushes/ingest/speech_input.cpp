#include "rushes/ingest/speech_input.h"

#include <algorithm>

#include "rushes/audio/resample.h"
#include "rushes/base/error.h"

namespace rushes::ingest {
namespace {

int64_t bytes_of(double seconds, int64_t hz) {
  return static_cast<int64_t>(std::max(0.0, seconds) * static_cast<double>(hz) * sizeof(float));
}

}  // namespace

double SpeechInput::waiting_seconds() const {
  const generation::VideoFormat& format = session_->format();
  const generation::SessionStatus status = session_->status();
  if (format.speech_hz == 0 || generation::ended(status.state)) return 0;
  return static_cast<double>(status.speech_samples) / static_cast<double>(format.speech_hz) -
         static_cast<double>(status.video_frames) / format.fps;
}

/// Refuses what would find no room however long its sender waits.
void SpeechInput::require_possible(double piece) const {
  const generation::VideoFormat& format = session_->format();
  const double most = std::min(max_waiting_, format.most_clip_seconds);
  switch (format.hearing) {
    case generation::Hearing::as_it_comes:
      return require(piece <= max_waiting_, ErrorCode::too_large,
                     "{:.0f} s of speech in one piece are too long: at most {:.0f} s may wait to be spoken; send "
                     "shorter pieces",
                     piece, max_waiting_);
    case generation::Hearing::utterances: {
      const double utterance = utterance_ + piece;
      return require(utterance <= most, ErrorCode::too_large,
                     "{:.0f} s of speech are too long: an utterance is heard before frames are made, at most {:.0f} s; "
                     "end it earlier",
                     utterance, most);
    }
    case generation::Hearing::whole: {
      const double whole =
          static_cast<double>(session_->status().speech_samples) / static_cast<double>(format.speech_hz) + piece;
      return require(whole <= most, ErrorCode::too_large,
                     "{:.0f} s of speech are too long: all is heard before frames are made, at most {:.0f} s; send "
                     "less, or set online_mode",
                     whole, most);
    }
  }
}

void SpeechInput::require_room(double piece) {
  const int64_t speech_hz = session_->format().speech_hz;
  if (speech_hz == 0) return;
  require_possible(piece);
  const double waiting = piece + waiting_seconds();
  require(waiting <= max_waiting_, ErrorCode::exhausted,
          "{:.0f} s of speech would be waiting to be spoken; at most {:.0f} s are allowed; send this piece again later",
          waiting, max_waiting_);
  require(memory_.resize(charged(waiting)), ErrorCode::exhausted,
          "pictures and speech of all sessions would take more memory than is allowed; send this piece again later "
          "(--max-input-mib)");
}

void SpeechInput::settle() {
  if (microphone_ && microphone_->ended()) hang_up();
  const std::unique_lock lock(feeding_, std::try_to_lock);
  if (lock) memory_.resize(std::min(memory_.bytes(), charged(waiting_seconds())));
}

int64_t SpeechInput::charged(double waiting) const {
  return bytes_of(waiting, session_->format().speech_hz) + kept_bytes_ + decoded_bytes_;
}

/// What the newest piece added to a file that cannot be heard yet, which is lost if there is no room for it.
void SpeechInput::charge_kept() {
  const std::scoped_lock lock(feeding_);
  const auto now = static_cast<int64_t>(containers_.kept_bytes());
  if (now == kept_bytes_) return;
  kept_bytes_ = now;
  if (memory_.resize(charged(waiting_seconds()))) return;
  containers_.drop_kept();
  kept_bytes_ = 0;
  fail(ErrorCode::exhausted,
       "pictures and speech of all sessions would take more memory than is allowed: the file that was kept until its "
       "end is lost; send it again later (--max-input-mib), with its index (moov of MP4, pakt of CAF) in front");
}

/// The sound of a piece takes so many bytes. Refused, it is lost.
void SpeechInput::charge_decoded(int64_t bytes) {
  const std::scoped_lock lock(feeding_);
  decoded_bytes_ = bytes;
  if (memory_.resize(charged(waiting_seconds()))) return;
  decoded_bytes_ = 0;
  fail(ErrorCode::exhausted,
       "pictures and speech of all sessions would take more memory than is allowed: the sound of this piece has no "
       "room; send shorter pieces, or this one again later (--max-input-mib)");
}

/// What waits is charged by feed(), in place of what has been decoded.
void SpeechInput::end_decoding() {
  {
    const std::scoped_lock lock(feeding_);
    decoded_bytes_ = 0;
    memory_.resize(std::min(memory_.bytes(), charged(waiting_seconds())));
  }
  charge_kept();
}

void SpeechInput::feed(std::span<const float> samples, int64_t hz, Utterance utterance, Resampling resampling) {
  const std::scoped_lock lock(feeding_);
  const double seconds = static_cast<double>(samples.size()) / static_cast<double>(hz);
  require_room(seconds);
  const int64_t to_hz = session_->format().speech_hz;
  std::vector<float> resampled;  // with what the resampler held back, where its stream ends
  const auto flush = [&] {
    if (!resampler_) return;
    const std::vector<float> rest = resampler_->flush();
    resampled.insert(resampled.end(), rest.begin(), rest.end());
    resampler_.reset();
  };
  if (resampler_ && resampler_->from_hz() != hz) flush();
  const bool as_it_is = (hz == to_hz || to_hz == 0) && resampled.empty();  // 0: it takes no speech, and says so
  if (!as_it_is) {
    if (hz != to_hz && resampling == Resampling::stream && !resampler_) resampler_.emplace(hz, to_hz);
    const std::vector<float> piece = hz == to_hz  ? std::vector<float>(samples.begin(), samples.end())
                                     : resampler_ ? resampler_->feed(samples)
                                                  : audio::resample(samples, hz, to_hz);
    resampled.insert(resampled.end(), piece.begin(), piece.end());
    if (utterance == Utterance::ends) flush();
    samples = resampled;
  }
  session_->feed_speech(samples, utterance);  // at once, so that a session that fails meanwhile takes all or nothing
  utterance_ = utterance == Utterance::ends ? 0 : utterance_ + seconds;
}

media::DecodedAudio SpeechInput::decode(std::span<const uint8_t> piece, const Encoding& encoding) {
  if (!encoding.pcm || (!encoding.always_pcm && containers_.goes_on()))
    return containers_.feed(piece, encoding.container);
  if (encoding.always_pcm) return decode_bare(piece, *encoding.pcm);
  return decode(sorter_.sort(piece), encoding);
}

media::DecodedAudio SpeechInput::decode(const media::PieceSorter::Sorted& sorted, const Encoding& encoding) {
  using Kind = media::PieceSorter::Kind;
  if (sorted.kind == Kind::undecided || sorted.bytes.empty()) return {};
  if (sorted.kind == Kind::file || !encoding.pcm) return containers_.feed(sorted.bytes, encoding.container);
  if (encoding.guessed) {
    media::require_no_text(sorted.bytes);
    session_->warn(fmt::format("speech without a known header was taken as {}, {} Hz, {} channels",
                               name(encoding.pcm->encoding), encoding.pcm->hz, encoding.pcm->channels));
  }
  return decode_bare(sorted.bytes, *encoding.pcm);
}

media::DecodedAudio SpeechInput::decode_bare(std::span<const uint8_t> piece, const media::Pcm& pcm) {
  charge_decoded(static_cast<int64_t>(piece.size() * sizeof(float)) / pcm.frame_bytes());
  return bare_.feed(piece, pcm);
}

void SpeechInput::feed_piece(std::span<const uint8_t> piece, const Encoding& encoding, Utterance utterance,
                             Resampling resampling) {
  const std::scoped_lock lock(decoding_);
  {
    const std::scoped_lock feeding(feeding_);
    require_room(0);
  }
  std::vector<media::DecodedAudio> heard;
  try {
    if (!piece.empty()) heard.push_back(decode(piece, encoding));
    charge_kept();
    if (utterance == Utterance::ends) {
      heard.push_back(decode(sorter_.finish(), encoding));
      heard.push_back(bare_.finish());
      heard.push_back(containers_.finish());
    }
    end_decoding();
  } catch (...) {
    end_decoding();
    throw;
  }
  const int64_t usual = std::max<int64_t>(1, session_->format().speech_hz);
  for (std::size_t i = 0; i < heard.size(); ++i) {
    for (const std::string& warning : heard[i].warnings) session_->warn(warning);
    const bool last = i + 1 == heard.size();
    if (heard[i].samples.empty() && !last) continue;
    feed(heard[i].samples, heard[i].hz > 0 ? heard[i].hz : usual, last ? utterance : Utterance::goes_on, resampling);
  }
}

void SpeechInput::hang_up() {
  if (microphone_) closing_ = std::jthread([closing = std::move(microphone_)]() mutable { closing.reset(); });
}

const Microphone& SpeechInput::listen(std::shared_ptr<media::WebRtcPeer> peer, std::vector<float> greeting) {
  require(!listens(), ErrorCode::conflict, "session {} already has a speaker", session_->id().text());
  hang_up();  // one that has left
  microphone_ = std::make_unique<Microphone>(std::move(peer), session_, std::move(greeting));
  return *microphone_;
}

}  // namespace rushes::ingest
