#include "rushes/server/api/omniavatar/studio.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <cmath>

#include "rushes/media/audio_decoder.h"
#include "rushes/media/audio_encoder.h"
#include "rushes/media/image.h"
#include "rushes/server/sessions/inputs_memory.h"

namespace rushes::server::omniavatar {
namespace {

constexpr std::string_view kFamily = "omniavatar";
constexpr double kSilentSeconds = 5;       // of a video in which nothing is said
constexpr std::size_t kPieceSeconds = 60;  // of speech that is fed at once
constexpr std::chrono::milliseconds kLineTick{50};

std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

/// AAC, which carries it in the videos, knows the rate.
bool is_usual(int64_t hz) {
  constexpr int64_t kUsual[] = {8'000, 11'025, 12'000, 16'000, 22'050, 24'000, 32'000, 44'100, 48'000};
  return std::find(std::begin(kUsual), std::end(kUsual), hz) != std::end(kUsual);
}

/// Guidance has no effect where blocks follow each other.
Mode mode_of_model(const generation::Model& model) {
  generation::Request request;
  request.prompts = {"a person"};
  if (!find_field(model.options(), "guidance_scale")) return Mode::causal;
  request.options.set("guidance_scale", 2.0);
  const auto ignored = model.plan(request)->ignored;
  const bool has_effect =
      std::none_of(ignored.begin(), ignored.end(), [](const auto& each) { return each.field == "guidance_scale"; });
  return has_effect ? Mode::normal : Mode::causal;
}

/// All that is said, as the session hears it.
void feed(const Hosted& entry, const Speech& speech) {
  const auto samples = std::span<const float>(speech.audio.samples).subspan(speech.silence);
  const std::size_t piece = kPieceSeconds * static_cast<std::size_t>(speech.audio.hz);
  for (std::size_t at = 0; at < samples.size(); at += piece)
    entry.speech->feed(samples.subspan(at, std::min(piece, samples.size() - at)), speech.audio.hz,
                       ingest::SpeechInput::Utterance::goes_on);
}

}  // namespace

bool Studio::has_model() const {
  const auto models = sessions_.models().all();
  return std::any_of(models.begin(), models.end(), [](const ServedModels::Status& model) {
    return model.family == kFamily && model.state != ServedModels::State::failed;
  });
}

std::string Studio::first_model() const {
  for (const ServedModels::Status& model : sessions_.models().all())
    if (model.family == kFamily) return model.name;
  fail(ErrorCode::unavailable, "this server has no model of the family {}; give one with --model", kFamily);
}

std::optional<Mode> Studio::mode_of(std::string_view model) const {
  if (sessions_.models().status(model).state != ServedModels::State::loaded) return std::nullopt;
  return mode_of_model(*sessions_.models().model(model));
}

std::optional<std::string> Studio::model_of(Mode mode) const {
  for (const ServedModels::Status& model : sessions_.models().all())
    if (model.family == kFamily && mode_of(model.name) == mode) return model.name;
  return std::nullopt;
}

/// A place in the line of those who want to begin a session, by the order in which they came.
class Studio::InLine {
 public:
  explicit InLine(std::list<const InLine*>& line) : line_(line), place_(line.insert(line.end(), this)) {}
  ~InLine() { line_.erase(place_); }
  InLine(const InLine&) = delete;
  InLine& operator=(const InLine&) = delete;
  bool is_first() const { return line_.front() == this; }

 private:
  std::list<const InLine*>& line_;
  const std::list<const InLine*>::iterator place_;
};

net::awaitable<void> Studio::wait_for_place(const InLine& in_line) const {
  net::steady_timer tick(co_await net::this_coro::executor);
  while (!sessions_.draining() && !(in_line.is_first() && sessions_.has_place())) {
    tick.expires_after(kLineTick);
    auto waiting = tick.async_wait(net::use_awaitable);
    co_await std::move(waiting);
  }
}

net::awaitable<Hosted> Studio::begin(std::string name, AvatarRequest wanted, Watch watch, std::string file_name) const {
  const auto speech = std::make_shared<Speech>();
  speech->memory = sessions_.inputs().charge();
  charge_inputs_or_make_room(sessions_, speech->memory,
                             static_cast<int64_t>(wanted.audio.size() + wanted.image.size()));
  auto loading = sessions_.models().load(name);
  co_await std::move(loading);
  const InLine in_line(line_);
  const auto model = sessions_.models().model(name);
  generation::Request request;
  std::unique_ptr<generation::Plan> plan;
  auto decoding = work_.run([&] {
    decode_files(wanted);
    return true;
  });
  co_await std::move(decoding);
  auto preparing = decode_inputs(sessions_, work_, [&] {
    request = {};
    request.prompts = {wanted.prompt};
    request.seed = generation::random_seed();  // as in the published server, unless the request has one
    put_numbers(wanted, model->options(), request);
    auto bytes = static_cast<int64_t>(wanted.audio.size() + wanted.image.size());
    if (!wanted.image.empty())
      request.image = media::decode_image(bytes_of(wanted.image), model->capabilities().pictures,
                                          [&](int64_t more) { charge_inputs(speech->memory, bytes += more); });
    const generation::VideoFormat format = model->plan(request)->format();
    const double fps = format.fps, most = std::min(kMostSeconds, format.most_clip_seconds);
    if (wanted.audio.empty()) {
      request.video_frames = 1 + std::llround(kSilentSeconds * fps);
    } else {
      speech->audio = media::decode_audio(
          bytes_of(wanted.audio), {.max_hz = media::kMostSpeechHz,
                                   .admit = [&](int64_t more) { charge_inputs(speech->memory, bytes + more); }});
      require(!speech->audio.samples.empty(), ErrorCode::invalid_argument, "the audio is empty");
      require(speech->audio.seconds() <= most, ErrorCode::too_large, "the audio is {:.0f} s long; {:.0f} s are allowed",
              speech->audio.seconds(), most);
      if (!is_usual(speech->audio.hz)) speech->audio = media::resampled(speech->audio, 16'000);
      charge_inputs(speech->memory, bytes + speech->audio.bytes());
      request.video_frames = std::max<int64_t>(1, std::llround(std::ceil(speech->audio.seconds() * fps - 1e-6)));
      // Segments begin with the picture itself, in which nothing is said yet.
      if (mode_of_model(*model) == Mode::normal) {
        ++*request.video_frames;
        speech->silence = static_cast<std::size_t>(std::llround(static_cast<double>(speech->audio.hz) / fps));
        speech->audio.samples.insert(speech->audio.samples.begin(), speech->silence, 0.0f);
      }
    }
    plan = model->plan(request);
    return true;
  });
  co_await std::move(preparing);
  wanted = {};
  charge_inputs_or_make_room(sessions_, speech->memory, speech->audio.bytes());
  const SpeechPtr said = speech->audio.samples.empty() ? nullptr : speech;
  const auto before = [&](const Hosted& entry) {
    for (const std::string& warning : speech->audio.warnings) entry.session->warn(warning);
    watch(entry, said);
  };
  auto waiting = wait_for_place(in_line);
  co_await std::move(waiting);
  const Hosted entry = sessions_.create(
      std::move(request), {.model = name, .file_name = std::move(file_name), .before = before}, std::move(plan));
  std::string failure;
  try {
    auto feeding = work_.run([&] {
      if (said) feed(entry, *said);
      entry.session->end_speech();
      return true;
    });
    co_await std::move(feeding);
  } catch (const Error& error) {
    if (!entry.session->over()) failure = error.what();  // that it has ended is told as any end
  }
  if (!failure.empty()) {
    entry.session->stop(failure);
    fail(ErrorCode::unavailable, "{}", failure);
  }
  co_return entry;
}

}  // namespace rushes::server::omniavatar
