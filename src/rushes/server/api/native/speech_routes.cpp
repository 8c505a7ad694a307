#include "rushes/server/api/native/speech_routes.h"

#include <boost/asio/this_coro.hpp>
#include <charconv>

#include "rushes/media/audio_decoder.h"
#include "rushes/server/api/native/session_json.h"
#include "rushes/server/streaming/pump.h"

namespace rushes::server {
namespace {

using Utterance = ingest::SpeechInput::Utterance;

constexpr std::size_t kMaxPieceBytes = 128 << 20;
constexpr double kMaxPieceSeconds = 1800;
constexpr int64_t kMostHz = 768'000;

bool flag(const Request& request, std::string_view name) {
  const std::string value = request.query_value(name).value_or("false");
  require(value == "true" || value == "false", ErrorCode::invalid_argument, "{} must be true or false (got '{}')", name,
          value.substr(0, 32));
  return value == "true";
}

int64_t sample_rate(const Request& request) {
  int64_t hz = 0;
  const std::string text = request.query_value("rate").value_or("16000");
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), hz);
  require(error == std::errc{} && end == text.data() + text.size() && hz >= 1000 && hz <= kMostHz,
          ErrorCode::invalid_argument, "rate must be 1000 to {} Hz (got '{}')", kMostHz, text.substr(0, 32));
  return hz;
}

/// Bare samples instead of a file: signed 16-bit little-endian PCM of so many Hz. Nothing: a file.
std::optional<int64_t> pcm_hz(const Request& request) {
  const auto format = request.query_value("format");
  require(!format || *format == "s16le", ErrorCode::invalid_argument,
          "format must be s16le (got '{}'); omit it for an audio file", format.value_or("").substr(0, 32));
  if (format) return sample_rate(request);
  require(!request.query_value("rate"), ErrorCode::invalid_argument,
          "rate can be given only with format=s16le; an audio file has its own sampling rate");
  return std::nullopt;
}

void require_speech(const Hosted& entry) {
  require(entry.session->format().speech_hz > 0, ErrorCode::unsupported, "session {} does not accept speech",
          entry.session->id().text());
}

// POST /v1/sessions/{id}/audio[?end=true][&format=s16le&rate=16000]: the next piece of speech, a sound file or bare
// samples; with `end` the utterance is complete. 202 with the session; 400, 413, 415, 422 for the sound, 409 when the
// session has ended, 429 when too much waits to be spoken.
net::awaitable<Response> feed(SessionStore& sessions, WorkPool& work, const Request& request) {
  require_speech(hosted_of(sessions, request));
  const bool ends = flag(request, "end");
  const auto hz = pcm_hz(request);
  require(!hz || request.body.size() % 2 == 0, ErrorCode::invalid_argument,
          "{} bytes are not a whole number of 16-bit samples", request.body.size());
  const Hosted entry = hosted_of(sessions, request);  // it may be deleted meanwhile
  auto feeding = work.run_if_large(request.body.size(), [&] {
    const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(request.body.data()), request.body.size());
    media::DecodedAudio audio{.hz = entry.session->format().speech_hz};
    if (hz)
      audio = media::decode_pcm16(bytes, *hz);
    else if (!bytes.empty())
      audio = media::decode_audio(bytes, {.max_bytes = kMaxPieceBytes, .max_seconds = kMaxPieceSeconds});
    entry.speech->feed(audio.samples, audio.hz, ends ? Utterance::ends : Utterance::goes_on);
    return true;
  });
  co_await std::move(feeding);
  co_return json_response(202, session_json(hosted_of(sessions, request), request));
}

net::awaitable<void> hear(SessionStore* sessions, Hosted entry, int64_t hz, WebSocket* speaker) {
  const net::any_io_executor executor = co_await net::this_coro::executor;
  const auto wakeup = std::make_shared<Wakeup>(executor);
  const auto wrong = std::make_shared<std::string>();
  speaker->on_binary([=](const std::string& message) {
    try {
      require(message.size() % 2 == 0, ErrorCode::invalid_argument, "{} bytes are not a whole number of 16-bit samples",
              message.size());
      const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(message.data()), message.size());
      sessions->find(entry.session->id());  // counts as use
      entry.speech->feed(media::decode_pcm16(bytes, hz).samples, hz, Utterance::goes_on);
    } catch (const Error& error) {
      if (wrong->empty()) *wrong = error.what();
      wakeup->notifier()();
    }
  });
  speaker->on_text([=](const std::string& message) {
    try {
      require(message == "end", ErrorCode::invalid_argument,
              "a text message must be 'end', which completes the utterance");
      entry.speech->feed({}, hz, Utterance::ends);
    } catch (const Error& error) {
      if (wrong->empty()) *wrong = error.what();
      wakeup->notifier()();
    }
  });
  const auto events = entry.session->stream().subscribe(generation::Stream::Role::observer,
                                                        generation::Stream::From::newest_block, wakeup->notifier());
  while (wrong->empty() && !events->ended()) {
    while (events->poll()) {}
    if (events->ended()) break;
    co_await wakeup->wait();
  }
  if (!wrong->empty()) {
    std::string reason = wrong->substr(0, 120);
    auto refusing = speaker->close(CloseCode::policy, std::move(reason));
    co_await std::move(refusing);
    co_return;
  }
  auto [code, reason] = farewell(*entry.session, sessions->draining());
  auto closing = speaker->close(code, std::move(reason));
  co_await std::move(closing);
}

// WebSocket /v1/sessions/{id}/audio[?rate=16000]: binary messages of signed 16-bit little-endian PCM, one channel; the
// text message "end" completes an utterance. It ends with the session.
Feed audio_feed(SessionStore& sessions, const Request& request) {
  const Hosted entry = hosted_of(sessions, request);
  require_speech(entry);
  return [entry, hz = sample_rate(request), &sessions](WebSocket& speaker) {
    return hear(&sessions, entry, hz, &speaker);
  };
}

}  // namespace

void add_speech_routes(Router& router, SessionStore& sessions, WorkPool& work) {
  router.answer_later(
      "POST", "/v1/sessions/{id}/audio",
      [&sessions, &work](const Request& request) { return feed(sessions, work, request); }, kMaxPieceBytes);
  router.feed("/v1/sessions/{id}/audio", [&sessions](const Request& request) { return audio_feed(sessions, request); });
}

}  // namespace rushes::server
