#include "rushes/server/api/ditto/stream.h"

#include <array>
#include <boost/asio/this_coro.hpp>
#include <fstream>

#include "rushes/generation/failure.h"
#include "rushes/ingest/driving_file.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/image.h"
#include "rushes/server/api/ditto/dialect.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/server.h"
#include "rushes/server/sessions/inputs_memory.h"
#include "rushes/server/streaming/pump.h"

namespace rushes::server::ditto {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kFamily = "ditto";
constexpr int64_t kHz = 16'000;
constexpr int64_t kFps = 25;
constexpr double kLeadSeconds = 1;  // of frames that go out at their time: what is made and not yet due
constexpr int64_t kMostAhead = 600 * kHz;
constexpr std::size_t kPiece = 60 * kHz;  // of speech that is fed at once

/// The first of its family. Throws Error(unavailable).
std::string model_name(const ServedModels& models) {
  for (const ServedModels::Status& model : models.all())
    if (model.family == kFamily) return model.name;
  fail(ErrorCode::unavailable, "this server has no model of the family {}; give one with --model", kFamily);
}

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

media::DecodedAudio read_speech(const Input& input, const std::function<void(int64_t)>& admit) {
  const media::AudioLimits limits{.max_hz = media::kMostSpeechHz, .admit = admit};
  media::DecodedAudio audio;
  if (const auto* path = std::get_if<fs::path>(&input))
    audio = media::read_audio({*path, "audio_path"}, limits);
  else
    audio =
        media::decode_audio(bytes_of(decode_base64("audio_path", std::get<std::string>(input), kSoundTypes)), limits);
  return media::resampled(audio, kHz);
}

bool is_image(const fs::path& file) {
  std::array<char, 16> head{};
  std::ifstream(file, std::ios::binary).read(head.data(), head.size());
  return media::looks_like_image({reinterpret_cast<const uint8_t*>(head.data()), head.size()});
}

/// A picture, or a video where it is none.
void read_source(const Input& input, const generation::Model& model, const std::function<void(int64_t)>& admit,
                 generation::Request& request) {
  const auto* path = std::get_if<fs::path>(&input);
  const std::string data =
      path ? std::string() : decode_base64("source_path", std::get<std::string>(input), kSourceTypes);
  const auto bytes = bytes_of(data);
  const generation::Capabilities takes = model.capabilities();
  if (!takes.takes.has(generation::Modality::video) || (path ? is_image(*path) : media::looks_like_image(bytes)))
    request.image = path ? media::read_image({*path, "source_path"}, takes.pictures, admit)
                         : media::decode_image(bytes, takes.pictures, admit);
  else
    ingest::drive(request, model,
                  path ? media::read_video_file({*path, "source_path"})
                       : std::make_shared<const media::Bytes>(bytes.begin(), bytes.end()),
                  {}, admit);
}

class Stream {
 public:
  Stream(Studio studio, std::shared_ptr<Client> client, std::shared_ptr<Streaming> state, Start start, Inputs inputs)
      : studio_(studio),
        client_(std::move(client)),
        state_(std::move(state)),
        start_(std::move(start)),
        inputs_(std::move(inputs)) {}

  net::awaitable<void> run() {
    auto beginning = begin();
    if (!co_await std::move(beginning)) co_return;
    const std::chrono::duration<double> a_frame(1 / state_->hosted->session->format().fps);
    const auto period = std::chrono::duration_cast<Client::Clock::duration>(a_frame);
    for (;;) {
      state_->quality->store(studio_.options.adaptive_quality ? quality_at(client_->waiting(), studio_.options.queue)
                                                              : kJpegQuality);
      auto waiting = pump_->next();
      std::optional<Message> message = co_await std::move(waiting);
      if (!message || state_->cancelled) co_return;
      while (client_->waiting() >= studio_.options.queue && !state_->cancelled) co_await state_->room->wait();
      if (state_->cancelled) co_return;
      const bool frame = is_frame(*message);
      client_->add(std::move(*message), start_.realtime && frame ? period : Client::Clock::duration{});
      told_frames_ += frame;
      if (!all_fed_) feed();
    }
  }

 private:
  /// False: it was cancelled.
  net::awaitable<bool> begin() {
    const std::string name = model_name(studio_.sessions.models());
    auto loading = studio_.sessions.models().load(name);
    co_await std::move(loading);
    const auto model = studio_.sessions.models().model(name);
    std::optional<Speech> speech;
    generation::Request request;
    std::unique_ptr<generation::Plan> plan;
    memory_ = studio_.sessions.inputs().charge();
    base::MemoryBudget::Charge portrait = studio_.sessions.inputs().charge();
    auto preparing = decode_inputs(studio_.sessions, studio_.work, [&] {
      request.options = options_of(start_, model->options());
      if (inputs_.speech.index() != 0) {
        speech = hear();
        request.video_frames = speech->frames;
        if (studio_.options.emit_tail && !request.options.has("emit_tail")) request.options.set("emit_tail", true);
      }
      read_source(
          inputs_.source, *model, [&](int64_t bytes) { charge_inputs(portrait, bytes); }, request);
      ingest::find_faces(request, *model);
      if (start_.realtime) request.max_lead_seconds = kLeadSeconds;
      request.seed = generation::random_seed();  // as the published server, whose noise has no seed
      plan = model->plan(request);
      online_ = plan->format().hearing == generation::Hearing::as_it_comes;
      return true;
    });
    co_await std::move(preparing);
    if (state_->cancelled) co_return false;
    const net::any_io_executor executor = co_await net::this_coro::executor;
    const auto watch = [&](const Hosted& entry) {
      pump_ = std::make_unique<Pump>(
          entry,
          Interest{.events = Interest::Events{.role = generation::Stream::Role::recorder}, .work = &studio_.work},
          std::make_unique<FramesDialect>(FramesDialect::How{
              .binary = start_.binary, .audio = start_.audio, .now = now, .quality = state_->quality}));
      pump_->open(executor);
    };
    state_->hosted = studio_.sessions.create(
        std::move(request), {.model = name, .before = watch, .inputs = std::move(portrait)}, std::move(plan));
    generation::Session& session = *state_->hosted->session;
    for (const std::string& warning : audio_.warnings) session.warn(warning);
    client_->add({metadata(speech, session.id().text(), now())});
    if (!speech) co_return true;
    all_fed_ = false;
    auto feeding = studio_.work.run([&] {
      feed();
      return true;
    });
    co_await std::move(feeding);
    co_return !state_->cancelled;
  }

  Speech hear() {
    audio_ = read_speech(inputs_.speech, [&](int64_t bytes) { charge_inputs(memory_, bytes); });
    require(!audio_.samples.empty(), ErrorCode::invalid_argument, "the audio is empty");
    charge_inputs(memory_, audio_.bytes());
    return {audio_.seconds(), expected_frames(static_cast<int64_t>(audio_.samples.size()))};
  }

  /// In binary mode the speech of a frame goes before it, and frames alone are binary.
  bool is_frame(const Message& message) const {
    if (start_.binary) return std::holds_alternative<std::shared_ptr<const media::Bytes>>(message.body);
    return std::holds_alternative<std::string>(message.body);
  }

  /// Speech beyond what may wait in a session follows while its frames come. Those of a model that hears all first come
  /// later: it gets all, at once, so that speech which is too long is refused as long as it is.
  void feed() {
    try {
      feed_what_has_room();
    } catch (const Error&) {
      if (!state_->hosted->session->over()) throw;
      all_fed_ = true;  // that it has ended is told as any end
    }
  }

  void feed_what_has_room() {
    const auto samples = std::span<const float>(audio_.samples);
    const auto waiting = [&] { return static_cast<int64_t>(fed_) - told_frames_ * (kHz / kFps); };
    while (fed_ < samples.size() && (!online_ || waiting() < kMostAhead)) {
      const std::size_t left = samples.size() - fed_, piece = online_ ? std::min(kPiece, left) : left;
      state_->hosted->speech->feed(samples.subspan(fed_, piece), kHz, ingest::SpeechInput::Utterance::goes_on);
      fed_ += piece;
    }
    all_fed_ = fed_ == samples.size();
    if (!all_fed_) return;
    state_->hosted->session->end_speech();
    audio_ = {};
    memory_.resize(0);
  }

  const Studio studio_;
  const std::shared_ptr<Client> client_;
  const std::shared_ptr<Streaming> state_;
  const Start start_;
  const Inputs inputs_;
  std::unique_ptr<Pump> pump_;
  media::DecodedAudio audio_;
  base::MemoryBudget::Charge memory_;  // of it
  bool online_ = true, all_fed_ = true;
  std::size_t fed_ = 0;
  int64_t told_frames_ = 0;
};

}  // namespace

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

net::awaitable<void> stream_frames(Studio studio, std::shared_ptr<Client> client, std::shared_ptr<Streaming> stream,
                                   Start start, Inputs inputs) {
  std::string failure;
  try {
    Stream running(studio, client, stream, std::move(start), std::move(inputs));
    auto streaming = running.run();
    co_await std::move(streaming);
  } catch (...) {
    failure = generation::current_failure().message;
  }
  if (stream->hosted && !failure.empty()) stream->hosted->session->stop(failure);
  if (!stream->cancelled && !failure.empty()) client->add({error("Streaming error: " + failure)});
  client->end(*stream);
}

}  // namespace rushes::server::ditto
