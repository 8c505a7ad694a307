#include "rushes/ingest/microphone.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/generation/failure.h"
#include "rushes/ingest/live_speech.h"

namespace rushes::ingest {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kMostBehind = std::chrono::milliseconds(100);  // then the clock begins anew, without a burst

}  // namespace

std::shared_ptr<media::WebRtcPeer> connect_microphone(std::string_view text,
                                                      const media::WebRtcPeer::Options& options) {
  const auto offer = media::WebRtcOffer::parse(text);
  require(offer.microphone_payload_type.has_value(), ErrorCode::invalid_argument,
          "the SDP offer does not offer to send Opus audio (a=sendonly)");
  auto peer = std::make_shared<media::WebRtcPeer>(offer, std::nullopt, options);
  require(peer->listens(), ErrorCode::unsupported, "the offered audio cannot be received");
  return peer;
}

Microphone::Microphone(std::shared_ptr<media::WebRtcPeer> peer, std::shared_ptr<generation::Session> session,
                       std::vector<float> greeting)
    : peer_(std::move(peer)), session_(std::move(session)), greets_(!greeting.empty()) {
  thread_ = std::jthread([this, greeting = std::move(greeting)](const std::stop_token& stop) {
    try {
      run(stop, greeting);
    } catch (const Error& error) {
      log::debug("session {}: microphone: {}", session_->id().text(), error.what());  // the session ended just now
    } catch (...) {
      log::warning("session {}: microphone: {}", session_->id().text(), generation::current_failure().message);
    }
    ended_ = true;
  });
}

void Microphone::run(const std::stop_token& stop, std::span<const float> greeting) {
  LiveSpeech speech(session_);
  speech.say(greeting);
  const auto step =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / session_->format().fps));
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  auto due = Clock::now();
  while (!stop.stop_requested() && !session_->over() && !peer_->gone()) {
    if (peer_->connected()) {
      const std::vector<float> heard = peer_->heard();
      if (!speech.says()) speech.hear(heard);  // nobody interrupts the greeting
      speech.step(session_->status().video_frames);
      greets_ = speech.says();
    }
    due += step;
    if (Clock::now() - due > kMostBehind) due = Clock::now();
    never.wait_until(lock, stop, due, [] { return false; });
  }
}

}  // namespace rushes::ingest
