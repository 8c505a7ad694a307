#include "rushes/server/api/native/speech_routes.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <charconv>
#include <deque>

#include "rushes/media/frame_formats.h"
#include "rushes/media/pcm.h"
#include "rushes/server/api/native/session_json.h"
#include "rushes/server/streaming/pump.h"

namespace rushes::server {
namespace {

using Utterance = ingest::SpeechInput::Utterance;

using Encoding = ingest::SpeechInput::Encoding;

constexpr std::size_t kMaxPieceBytes = 128 << 20;
constexpr std::size_t kMaxWaitingBytes = 16 << 20;  // of a socket's messages

bool flag(const Request& request, std::string_view name) {
  const std::string value = request.query_value(name).value_or("false");
  require(value == "true" || value == "false", ErrorCode::invalid_argument, "{} must be true or false (got '{}')", name,
          value.substr(0, 32));
  return value == "true";
}

int64_t integer(const Request& request, const char* name, const char* otherwise) {
  int64_t value = 0;
  const std::string text = request.query_value(name).value_or(otherwise);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(error == std::errc{} && end == text.data() + text.size(), ErrorCode::invalid_argument,
          "{} must be an integer (got '{}')", name, text.substr(0, 32));
  return value;
}

/// ?format=&rate=&channels=: samples without a header. Throws Error(invalid_argument).
media::Pcm pcm_of(const Request& request) {
  media::Pcm pcm{.hz = integer(request, "rate", "16000"), .channels = integer(request, "channels", "1")};
  const std::string format = request.query_value("format").value_or("s16le");
  const auto found = std::find_if(std::begin(media::kPcmEncodings), std::end(media::kPcmEncodings),
                                  [&](media::PcmEncoding encoding) { return format == name(encoding); });
  require(found != std::end(media::kPcmEncodings), ErrorCode::invalid_argument,
          "format must be s16le, s16be or f32le (got '{}'); omit it for an audio file", format.substr(0, 32));
  pcm.encoding = *found;
  check_pcm(pcm);
  return pcm;
}

/// What the query says of the body; else its Content-Type; else it says it itself.
Encoding encoding_of(const Request& request) {
  if (request.query_value("format")) return {.pcm = pcm_of(request), .always_pcm = true};
  for (const char* of_pcm : {"rate", "channels"})
    require(!request.query_value(of_pcm), ErrorCode::invalid_argument,
            "{} can be given only with format=s16le, s16be or f32le; an audio file has its own", of_pcm);
  const std::string_view type = request.header("content-type");
  return {.pcm = media::pcm_of_media_type(type, {}), .container = media::frame_format_of_media_type(type)};
}

void require_speech(const Hosted& entry) {
  require(entry.session->format().speech_hz > 0, ErrorCode::unsupported, "session {} does not accept speech",
          entry.session->id().text());
}

// POST /v1/sessions/{id}/audio[?end=true][&format=s16le&rate=16000&channels=1]: the next piece of speech: an audio
// file, a part of one whose beginning came before, or bare samples; with `end` the utterance is complete. 202 with the
// session; 400, 413, 415, 422 for the sound, 409 when the session has ended, 429 when too much waits to be spoken.
net::awaitable<Response> feed(SessionStore& sessions, WorkPool& work, const Request& request) {
  require_speech(hosted_of(sessions, request));
  const bool ends = flag(request, "end");
  const Encoding encoding = encoding_of(request);
  const Hosted entry = hosted_of(sessions, request);  // it may be deleted meanwhile
  auto feeding = work.run_if_large(request.body.size(), [&] {
    const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(request.body.data()), request.body.size());
    entry.speech->feed_piece(bytes, encoding, ends ? Utterance::ends : Utterance::goes_on);
    return true;
  });
  co_await std::move(feeding);
  co_return json_response(202, session_json(hosted_of(sessions, request), request));
}

/// What a socket has brought and nobody has heard yet. The server's thread only.
struct Spoken {
  struct Piece {
    std::string bytes;
    Utterance utterance;
  };
  std::deque<Piece> pieces;
  std::size_t bytes = 0;
  std::string wrong;  // with what came; ends the connection

  void add(std::string message, Utterance utterance) {
    bytes += message.size();
    if (bytes > kMaxWaitingBytes) return refuse("speech comes faster than it can be decoded");
    pieces.push_back({std::move(message), utterance});
  }
  void refuse(std::string_view why) {
    if (wrong.empty()) wrong = why;
  }
};

net::awaitable<void> hear(SessionStore* sessions, WorkPool* work, Hosted entry, Encoding encoding, WebSocket* speaker) {
  const net::any_io_executor executor = co_await net::this_coro::executor;
  const auto wakeup = std::make_shared<Wakeup>(executor);
  const auto spoken = std::make_shared<Spoken>();
  speaker->on_binary([=](std::string message) {
    spoken->add(std::move(message), Utterance::goes_on);
    wakeup->notifier()();
  });
  speaker->on_text([=](const std::string& message) {
    if (message == "end")
      spoken->add({}, Utterance::ends);
    else
      spoken->refuse("a text message must be 'end', which completes the utterance");
    wakeup->notifier()();
  });
  const auto events = entry.session->stream().subscribe(generation::Stream::Role::observer,
                                                        generation::Stream::From::newest_block, wakeup->notifier());
  while (spoken->wrong.empty() && !events->ended()) {
    while (events->poll()) {}
    if (events->ended()) break;
    if (spoken->pieces.empty()) {
      co_await wakeup->wait();
      continue;
    }
    const Spoken::Piece piece = std::move(spoken->pieces.front());
    spoken->pieces.pop_front();
    spoken->bytes -= piece.bytes.size();
    try {
      sessions->find(entry.session->id());  // counts as use
      auto feeding = work->run_if_large(piece.bytes.size(), [&] {
        const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(piece.bytes.data()), piece.bytes.size());
        entry.speech->feed_piece(bytes, encoding, piece.utterance);
        return true;
      });
      co_await std::move(feeding);
    } catch (const Error& error) {
      spoken->refuse(error.what());
    }
  }
  if (!spoken->wrong.empty()) {
    std::string reason = spoken->wrong.substr(0, 120);
    auto refusing = speaker->close(CloseCode::policy, std::move(reason));
    co_await std::move(refusing);
    co_return;
  }
  auto [code, reason] = farewell(*entry.session, sessions->draining());
  auto closing = speaker->close(code, std::move(reason));
  co_await std::move(closing);
}

// WebSocket /v1/sessions/{id}/audio[?format=s16le&rate=16000&channels=1]: binary messages of bare samples, or the
// pieces of a container, which the first of them begins; the text message "end" completes an utterance. It ends with
// the session.
Feed audio_feed(SessionStore& sessions, WorkPool& work, const Request& request) {
  const Hosted entry = hosted_of(sessions, request);
  require_speech(entry);
  const Encoding encoding{.pcm = pcm_of(request), .always_pcm = request.query_value("format").has_value()};
  return [entry, encoding, &sessions, &work](WebSocket& speaker) {
    return hear(&sessions, &work, entry, encoding, &speaker);
  };
}

}  // namespace

void add_speech_routes(Router& router, SessionStore& sessions, WorkPool& work) {
  router.answer_later(
      "POST", "/v1/sessions/{id}/audio",
      [&sessions, &work](const Request& request) { return feed(sessions, work, request); }, kMaxPieceBytes);
  router.feed("/v1/sessions/{id}/audio",
              [&sessions, &work](const Request& request) { return audio_feed(sessions, work, request); });
}

}  // namespace rushes::server
