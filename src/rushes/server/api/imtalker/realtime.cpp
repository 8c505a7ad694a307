#include "rushes/server/api/imtalker/realtime.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>

#include "rushes/audio/stream_resampler.h"
#include "rushes/ingest/live_speech.h"
#include "rushes/media/audio_stream.h"
#include "rushes/media/piece_sorter.h"
#include "rushes/server/api/imtalker/decoder.h"
#include "rushes/server/http/wakeup.h"
#include "rushes/server/http/websocket.h"

namespace rushes::server {
namespace {

using namespace imtalker;

constexpr int64_t kHz = 16'000;
constexpr std::size_t kMostWaitingBytes = 4 << 20;  // of pieces of a container
constexpr int64_t kTickSamples = 640;               // 40 ms at 16 kHz: one video frame
constexpr auto kTick = std::chrono::milliseconds(40), kMostBehind = std::chrono::milliseconds(100);
constexpr std::size_t kHeaderBytes = 13;
constexpr uint8_t kAudio = 1, kVideo = 2;

/// One packet: type, microseconds since 1970, length, payload; numbers big-endian.
std::shared_ptr<const media::Bytes> packet(uint8_t type, uint64_t time_us, std::span<const uint8_t> payload) {
  auto bytes = std::make_shared<media::Bytes>();
  bytes->reserve(kHeaderBytes + payload.size());
  const auto number = [&](uint64_t value, int size) {
    for (int i = size - 1; i >= 0; --i) bytes->push_back(static_cast<uint8_t>(value >> (8 * i)));
  };
  number(type, 1);
  number(time_us, 8);
  number(payload.size(), 4);
  bytes->insert(bytes->end(), payload.begin(), payload.end());
  return bytes;
}

media::Bytes pcm(std::span<const float> samples) {
  media::Bytes bytes;
  for (const float sample : samples) {
    const auto value = static_cast<uint16_t>(static_cast<int16_t>(std::clamp(sample, -1.0f, 1.0f) * 32767.0f));
    bytes.push_back(static_cast<uint8_t>(value));
    bytes.push_back(static_cast<uint8_t>(value >> 8));
  }
  return bytes;
}

/// What a client has sent and what of it is on its way through the generator.
class Conversation {
 public:
  /// `memory` is charged with what is decoded, until it is heard.
  Conversation(const Hosted& entry, base::MemoryBudget::Charge memory)
      : session_(entry.session), speech_(entry.session), memory_(std::move(memory)) {}

  /// A message of the client's. An empty one ends the conversation.
  void take(const std::string& message) {
    if (message.empty()) ended_ = true;
    if (message.size() < kHeaderBytes || static_cast<uint8_t>(message[0]) != kAudio) return;
    const auto bytes = bytes_of(message).subspan(kHeaderBytes);
    if (in_container_) return decode_later(bytes);
    const auto sorted = sorter_.sort(bytes);
    if (sorted.kind == media::PieceSorter::Kind::samples)
      speech_.hear(bare_.feed(sorted.bytes, {}).samples);
    else if (sorted.kind == media::PieceSorter::Kind::file)
      decode_later(sorted.bytes);
  }
  /// A piece of a container that waits to be decoded, which takes too long for the server's thread; nothing: none does.
  std::optional<media::Bytes> next_piece() {
    if (pieces_.empty()) return std::nullopt;
    media::Bytes piece = std::move(pieces_.front());
    pieces_.pop_front();
    waiting_bytes_ -= piece.size();
    return piece;
  }
  /// At 16 kHz. One thread at a time, any.
  std::vector<float> decode(std::span<const uint8_t> piece) {
    const media::DecodedAudio audio = containers_.feed(piece);
    memory_.resize(0);
    for (const std::string& warning : audio.warnings) session_->warn(warning);
    if (audio.hz == 0) return {};
    if (!resampler_ || resampler_->from_hz() != audio.hz) resampler_.emplace(audio.hz, kHz);
    return resampler_->feed(audio.samples);
  }
  void hear(std::span<const float> samples) { speech_.hear(samples); }
  bool ended() const { return ended_ || session_->over(); }

  /// Hands the next 40 ms to the generator.
  void tick(int64_t frames_shown) {
    if (auto samples = speech_.step(frames_shown)) spoken_.push_back(std::move(*samples));
  }
  /// The speech of the next frame.
  std::vector<float> next_audio() {
    if (spoken_.empty()) return std::vector<float>(kTickSamples, 0.0f);
    std::vector<float> samples = std::move(spoken_.front());
    spoken_.pop_front();
    return samples;
  }

 private:
  void decode_later(std::span<const uint8_t> piece) {
    in_container_ = true;
    waiting_bytes_ += piece.size();
    if (waiting_bytes_ > kMostWaitingBytes) ended_ = true;
    pieces_.emplace_back(piece.begin(), piece.end());
  }

  const std::shared_ptr<generation::Session> session_;
  ingest::LiveSpeech speech_;
  media::PieceSorter sorter_;
  media::PcmPieces bare_;
  base::MemoryBudget::Charge memory_;
  media::AudioPieces containers_{media::AudioLimits{.max_seconds = ingest::SpeechInput::kMaxPieceSeconds,
                                                    .max_hz = media::kMostSpeechHz,
                                                    .admit = [this](int64_t bytes) { charge_inputs(memory_, bytes); }},
                                 kMostWaitingBytes};
  std::optional<audio::StreamResampler> resampler_;
  std::deque<media::Bytes> pieces_;
  std::size_t waiting_bytes_ = 0;
  bool in_container_ = false;
  std::deque<std::vector<float>> spoken_;
  bool ended_ = false;
};

net::awaitable<void> converse(Heads& talks, WorkPool& work, std::string id, WebSocket& viewer) {
  Head* session = talks.find(id);
  if (!session) {
    auto closing = viewer.close(static_cast<CloseCode>(4004), "Session not found");
    co_await std::move(closing);
    co_return;
  }
  const Hosted entry = session->newest();
  // One connection for each session; whatever ends it ends the session too.
  std::shared_ptr<void> forget(nullptr, [&talks, id](void*) { talks.remove(id); });
  const auto conversation = std::make_shared<Conversation>(entry, talks.sessions().inputs().charge());
  viewer.on_binary([conversation](const std::string& message) { conversation->take(message); });
  viewer.on_text([conversation](const std::string& message) {
    if (message.empty()) conversation->take(message);
  });
  const net::any_io_executor executor = co_await net::this_coro::executor;
  const auto pictures = entry.sinks->jpeg()->watch(delivery::JpegStream::From::oldest);
  net::steady_timer timer(executor);
  auto due = std::chrono::steady_clock::now();
  std::shared_ptr<const media::Bytes> shown;
  int64_t frames_shown = 0;
  std::string wrong;  // with what the client said
  while (!conversation->ended()) {
    try {
      while (const auto piece = conversation->next_piece()) {
        auto decoding = work.run([&] { return conversation->decode(*piece); });
        const std::vector<float> heard = co_await std::move(decoding);
        conversation->hear(heard);
      }
    } catch (const Error& error) {
      wrong = error.what();
      break;
    }
    conversation->tick(frames_shown);
    std::vector<float> audio(kTickSamples, 0.0f);
    if (const delivery::JpegFrame picture = pictures->poll(); picture.bytes) {
      // Pictures that were passed over take their sound with them.
      for (; frames_shown < picture.index; ++frames_shown) conversation->next_audio();
      shown = picture.bytes;
      audio = conversation->next_audio();
      ++frames_shown;
    }
    if (shown) {
      const auto now = std::chrono::system_clock::now().time_since_epoch();
      const auto time_us = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
      auto sending_picture = viewer.send_binary(packet(kVideo, time_us, *shown));
      co_await std::move(sending_picture);
      const media::Bytes bytes = pcm(audio);
      auto sending_audio = viewer.send_binary(packet(kAudio, time_us, bytes));
      co_await std::move(sending_audio);
    }
    due += kTick;
    if (std::chrono::steady_clock::now() - due > kMostBehind) due = std::chrono::steady_clock::now();
    timer.expires_at(due);
    auto waiting = timer.async_wait(net::use_awaitable);
    co_await std::move(waiting);
  }
  forget.reset();  // before the handshake, which a client may leave unanswered
  const bool cut_off = entry.session->status().end_reason == generation::EndReason::shutdown;
  auto closing = !wrong.empty() ? viewer.close(CloseCode::policy, wrong)
                 : cut_off      ? viewer.close(CloseCode::going_away, "the server is shutting down")
                                : viewer.close(CloseCode::normal, "ended");
  co_await std::move(closing);
}

}  // namespace

void add_realtime_talk_routes(Router& router, Heads* talks, WorkPool& work) {
  const auto decoder = std::make_shared<Decoder>(work, talks);
  // POST /api/realtime/init: a portrait that waits for its WebSocket.
  add_later_route(router, "POST", "/api/realtime/init", kMaxImageBytes + (64 << 10),
                  [talks, decoder](const Request& request) -> net::awaitable<Response> {
                    auto reading = decoder->form(request);
                    Form form = co_await std::move(reading);
                    if (!talks) refuse(500, "503: Models not loaded");
                    const std::string_view image = form.file("image");
                    generation::Request wanted = a_talker(kLiveChunkSeconds);
                    wanted.options.set("crop", form.boolean("crop", true));
                    read_face(form, wanted);
                    form.check();
                    wanted.ignored = form.unused();
                    auto decoding = decoder->portrait(image, std::move(wanted));
                    HeldRequest talker = co_await std::move(decoding);
                    const std::string id = random_uuid();
                    const Head& head = talks->create(id, std::move(talker));
                    Json answer{{"session_id", id}, {"websocket_url", request.address("/ws/realtime/" + id)}};
                    add_notes(answer, notes_of(*head.newest().session));
                    co_return json_response(200, answer);
                  });
  router.feed("/ws/realtime/{session_id}", [talks, &work](const Request& request) -> Feed {
    require(talks != nullptr, ErrorCode::unavailable, "there is no talking-head model");
    return [talks, &work, id = request.path_value("session_id")](WebSocket& viewer) {
      return converse(*talks, work, id, viewer);
    };
  });
}

}  // namespace rushes::server
