#include "rushes/generation/ditto/generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include <c10/core/InferenceMode.h>

#include "rushes/base/error.h"
#include "rushes/models/ditto/control_tables.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

using Clock = std::chrono::steady_clock;
using ditto::kFrameSamples;

constexpr int64_t kStandardFrames = 3000;               // that blinks are laid out for where the length is not known
constexpr int64_t kMostSourceBytes = int64_t{1} << 30;  // frames of a source video
constexpr double kFarAside = 30;                        // of look_at()
constexpr int64_t kMostAheadFrames = 50;                // motion waits for its frames beyond that
constexpr int64_t kPieceSteps = 4;                      // of speech that is heard at once

std::chrono::microseconds since(Clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
}

}  // namespace

DittoGenerator::DittoGenerator(std::shared_ptr<const DittoParts> parts, std::shared_ptr<const DittoPlan> plan,
                               std::optional<Image> image)
    : parts_(std::move(parts)),
      plan_(std::move(plan)),
      image_(std::move(image)),
      sampler_(parts_->sampler(plan_->settings.sampling_steps)),
      features_(parts_->speech_features(plan_->settings.chunk)),
      live_(plan_->settings.live),
      chance_(static_cast<std::mt19937::result_type>(plan_->seed ^ (plan_->seed >> 32))),
      retarget_(plan_->settings.retarget) {
  retarget_.image = plan_->video == nullptr;
}

// ---- the source ----

void DittoGenerator::register_source() {
  const DittoSettings& settings = plan_->settings;
  at::Tensor points;
  const auto encode = [&](const Image& image) {
    ditto::SourceFrame frame = parts_->encode(image, settings, plan_->face.box, points);
    frame.feature = frame.feature.to(parts_->frame_dtype);
    return frame;
  };
  if (plan_->avatar) {
    sources_.push_back(*plan_->avatar);
    sources_.back().feature = parts_->source.placed(sources_.back().feature).to(parts_->frame_dtype);
  } else if (!plan_->video) {
    sources_.push_back(encode(*std::exchange(image_, std::nullopt)));
  } else {
    int64_t bytes = 0;
    for (int64_t i = 0;; ++i) {
      const std::optional<Image> image = plan_->video->frame(i);
      if (!image) break;
      sources_.push_back(encode(*image));
      if (i > 0) sources_.back().feature.reset();  // made again when its turn comes
      bytes += static_cast<int64_t>(sources_.back().pixels.nbytes());
      require(bytes <= kMostSourceBytes, ErrorCode::too_large,
              "the source video has more than {} MiB of frames; give a shorter one, or a smaller max_size",
              kMostSourceBytes >> 20);
    }
    ditto::smooth(sources_, settings.source_smoothing);
  }
  const ditto::HeadMotion& first = sources_.front().motion;
  put_back_.emplace(sources_.front().crop_to_frame, plan_->height, plan_->width, parts_->source.crop_side());

  if (settings.character) retarget_.character_scale = settings.character->motion.scale.item<float>();
  lay_out_blinks(0);
  retargeting_.emplace(retarget_, first, settings.stitching ? &parts_->stitch : nullptr);
  if (const auto total = plan_->frames ? plan_->frames : settings.frame_count)
    fades_ =
        ditto::fade_alphas(*total, std::max<int64_t>(settings.fade_in, 0), std::max<int64_t>(settings.fade_out, 0));
  else
    fades_ = ditto::fade_alphas(kStandardFrames, std::max<int64_t>(settings.fade_in, 0), 0);
  motion_.emplace(speech_motion(first));
}

/// Of the reference character; else of the source, frame by frame, where its networks are there; else shut and
/// straight.
ditto::Eyes DittoGenerator::eyes_of_source() const {
  ditto::Eyes eyes{at::zeros({1, 2}, at::kFloat), at::zeros({1, 6}, at::kFloat)};
  if (const auto& character = plan_->settings.character) {
    if (character->eye_open.defined()) eyes.open = character->eye_open;
    if (character->eye_ball.defined()) eyes.ball = character->eye_ball;
  } else if (parts_->eyes) {
    std::vector<at::Tensor> open, ball;
    for (const ditto::SourceFrame& source : sources_) {
      const ditto::Eyes read = parts_->eyes->read(parts_->source.crop(source));
      open.push_back(read.open);
      ball.push_back(read.ball);
    }
    eyes = {at::cat(open), at::cat(ball)};
  }
  return eyes;
}

ditto::SpeechMotion DittoGenerator::speech_motion(const ditto::HeadMotion& first) const {
  const DittoSettings& settings = plan_->settings;
  const DittoMotionConfig& config = parts_->config;
  const DittoCharacter* const character = settings.character ? &*settings.character : nullptr;
  ditto::Conditions conditions;
  if (config.use_emo) conditions.emotion = settings.emotion;
  if (config.use_eye_open || config.use_eye_ball) {
    const ditto::Eyes eyes = eyes_of_source();
    if (config.use_eye_open) conditions.eye_open = eyes.open;
    if (config.use_eye_ball) conditions.eye_ball = eyes.ball;
  }
  if (config.use_sc) conditions.sc = character ? character->sc : first.kp.squeeze(0);
  conditions.moving_eyes = plan_->video && !settings.first_eyes_only;
  const at::Tensor start = ditto::motion_vector(character ? character->motion : first);
  return {features_,
          *sampler_,
          settings.windows,
          std::move(conditions),
          start,
          ditto::MotionNoise(plan_->seed, settings.sampling_steps, config.frames, ditto::kMotion)};
}

/// Blinks from frame `from` on, by the session's rule or by the rate that was set.
void DittoGenerator::lay_out_blinks(int64_t from) {
  if (!retarget_.blink.defined()) return;
  const DittoSettings& settings = plan_->settings;
  ditto::BlinkRule rule = settings.blink;
  const int64_t blink = retarget_.blink.size(0);
  if (live_.blinks_a_minute) {
    const double period = *live_.blinks_a_minute > 0 ? 60 * kDittoFps / *live_.blinks_a_minute : 0;
    rule = {.open = {std::max<int64_t>(1, std::llround(period) - blink)}, .never = period == 0};
  }
  const int64_t frames = settings.frame_count.value_or(plan_->frames.value_or(kStandardFrames));
  std::uniform_int_distribution<int64_t> open(60, 100);
  std::vector<int64_t> rows =
      ditto::blink_rows(std::max(frames, kStandardFrames), blink, rule, [&] { return open(chance_); });
  // The table goes round; its first row is that of frame `from`.
  const auto shift = static_cast<std::ptrdiff_t>(from % static_cast<int64_t>(rows.size()));
  std::rotate(rows.rbegin(), rows.rbegin() + shift, rows.rend());
  retarget_.blink_rows = std::move(rows);
}

const ditto::SourceFrame& DittoGenerator::source_of(int64_t frame) {
  const int64_t index = ditto::mirror_index(frame, static_cast<int64_t>(sources_.size()));
  ditto::SourceFrame& source = sources_[static_cast<std::size_t>(index)];
  if (!source.feature.defined()) {
    sources_[static_cast<std::size_t>(shown_source_)].feature.reset();
    source.feature = parts_->source.feature(source).to(parts_->frame_dtype);
  }
  if (index != std::exchange(shown_source_, index))  // of a video, whose face moves
    put_back_.emplace(source.crop_to_frame, plan_->height, plan_->width, parts_->source.crop_side());
  return source;
}

// ---- what comes in ----

void DittoGenerator::take(const Inbox& inbox) {
  hear_utterances(
      inbox, [&](std::span<const float> samples) { waiting_.add(samples); }, [&] { ends_.push_back(waiting_.end()); });
  end_of_speech_ = end_of_speech_ || inbox.end_of_speech;
  if (!inbox.options.empty()) set_live(inbox.options);
}

void DittoGenerator::set_live(const Options& options) {
  DittoSettings settings = plan_->settings;
  settings.live = live_;
  apply(options, settings);
  live_ = settings.live;
  if (options.has("emo") && parts_->config.use_emo && motion_) motion_->set_emotion(settings.emotion);
  if (options.has("blink_rate") && retargeting_) {
    lay_out_blinks(drawn_);
    retargeting_->set_blinks(retarget_.blink_rows);
  }
}

/// Speech up to the end of the utterance that is spoken; what follows waits until all its frames are made, which takes
/// some silence, so that it can be told apart. No more at once than gives work: of what is heard there are copies.
void DittoGenerator::hear_what_may_be_heard() {
  const auto hear = [&](std::span<const float> samples) {
    motion_->hear(samples);
    sound_.add(samples);
  };
  const auto silence = [&](int64_t samples) { hear(std::vector<float>(static_cast<std::size_t>(samples), 0.0f)); };
  while (!motion_->ended()) {
    if (utterance_frames_) {
      if (made_ < *utterance_frames_) {
        if (motion_->has_work()) return;
        silence(plan_->settings.chunk.step());
        return;
      }
      utterance_frames_.reset();
    }
    if (motion_->has_work()) return;
    const int64_t until = ends_.empty() ? waiting_.end() : ends_.front();
    if (heard_ < until) {
      const int64_t end = std::min(until, heard_ + kPieceSteps * plan_->settings.chunk.step());
      hear(waiting_.samples(heard_, end));
      heard_ = end;
      waiting_.forget_before(heard_);
      continue;
    }
    if (!ends_.empty()) {
      ends_.pop_front();
      silence((kFrameSamples - motion_->samples_heard() % kFrameSamples) % kFrameSamples);
      const int64_t frames = motion_->samples_heard() / kFrameSamples;
      told_ends_.add(frames);
      // Offline all frames come at the end: then they are told.
      if (motion_->is_online()) utterance_frames_ = frames;
      continue;
    }
    if (end_of_speech_) {
      speech_frames_ = ditto::frames_of(motion_->samples_heard());
      motion_->end();
    }
    return;
  }
}

/// Frames that there will be, as far as that is known.
int64_t DittoGenerator::frames_wanted() const {
  if (plan_->settings.emit_tail) return std::numeric_limits<int64_t>::max();
  const int64_t known = speech_frames_.value_or(std::numeric_limits<int64_t>::max());
  return std::min(known, plan_->frames.value_or(known));
}

// ---- motion and frames ----

bool DittoGenerator::speak() {
  if (static_cast<int64_t>(rows_.size()) >= kMostAheadFrames) return false;
  const auto begin = Clock::now();
  ditto::SpeechMotion::Progress progress = motion_->step();
  if (!progress.worked) return false;
  if (progress.window) {
    if (motion_->is_online() && motion_->reference().defined())
      retargeting_->set_reference(ditto::from_motion_vector(motion_->reference()));
    for (const at::Tensor& row : progress.window->frames.unbind(0)) rows_.push_back(row);
    made_ += progress.window->frames.size(0);
  }
  times_.denoise += since(begin);
  return true;
}

std::string DittoGenerator::shape_of_step(const Inbox& inbox) const {
  if (!motion_ || !rows_.empty() || !motion_->window_is_next() || motion_->is_prepared() || inbox.options.has("emo") ||
      !parts_->lmdm.samples_are_independent())
    return {};
  return fmt::format("{} steps", plan_->settings.sampling_steps);
}

void DittoGenerator::speak_together(const std::vector<DittoGenerator*>& speakers) {
  std::vector<ditto::SpeechMotion*> sessions;
  for (DittoGenerator* const speaker : speakers) sessions.push_back(&*speaker->motion_);
  ditto::SpeechMotion::predict_together(sessions);
}

ditto::FrameControl DittoGenerator::control_of(int64_t frame) const {
  ditto::FrameControl control;
  if (const auto own = plan_->settings.controls.find(frame); own != plan_->settings.controls.end())
    control = own->second;
  if (const auto fade = fades_.find(frame); fade != fades_.end() && !control.fade_alpha)
    control.fade_alpha = fade->second;
  control = control.or_else(retarget_.overall);
  const auto add = [](std::optional<double>& angle, const std::optional<double>& more) {
    if (more && *more != 0) angle = angle.value_or(0) + *more;
  };
  add(control.delta_pitch, live_.delta_pitch);
  add(control.delta_yaw, live_.delta_yaw);
  add(control.delta_roll, live_.delta_roll);
  if (live_.gaze_x != 0 || live_.gaze_y != 0) {
    at::Tensor gaze =
        control.delta_exp.defined() ? control.delta_exp.clone() : at::zeros({1, ditto::kExpression}, at::kFloat);
    ditto::look_at(gaze, kFarAside * live_.gaze_x, -kFarAside * live_.gaze_y);
    control.delta_exp = gaze;
  }
  return control;
}

FrameBlock DittoGenerator::draw() {
  const auto begin = Clock::now();
  const ditto::SourceFrame& source = source_of(drawn_);
  const auto points = retargeting_->next(source.motion, ditto::from_motion_vector(rows_.front()), control_of(drawn_));
  rows_.pop_front();
  const at::Tensor render = parts_->renderer.draw(source.feature, points).render;
  const at::Tensor pixels = (*put_back_)(render, source.pixels);

  FrameBlock block;
  block.rgb = std::shared_ptr<const uint8_t>(std::make_shared<at::Tensor>(pixels), pixels.const_data_ptr<uint8_t>());
  block.video_frames = 1;
  block.height = pixels.size(0);
  block.width = pixels.size(1);
  block.fps = kDittoFps;
  block.first_video_frame = drawn_;
  block.block = drawn_;
  block.latent_frames = 1;
  block.audio = audio(drawn_);
  times_.decode += since(begin);
  block.times = std::exchange(times_, StageTimes{});
  ++drawn_;
  return block;
}

/// Of one frame, which then is forgotten.
Audio DittoGenerator::audio(int64_t frame) {
  const int64_t first = frame * kFrameSamples;
  Audio audio{.samples = nullptr, .first_sample = first, .hz = ditto::kSampleRate};
  std::vector<float> samples = sound_.samples(first, first + kFrameSamples);
  if (!samples.empty()) audio.samples = std::make_shared<const std::vector<float>>(std::move(samples));
  sound_.forget_before(first + kFrameSamples);
  return audio;
}

bool DittoGenerator::over() const {
  if (drawn_ >= frames_wanted()) return true;
  return motion_ && motion_->ended() && rows_.empty() && !motion_->has_work();
}

StepResult DittoGenerator::step(const Inbox& inbox) {
  const c10::InferenceMode inference;
  StepResult result;
  take(inbox);
  if (!motion_) {
    const auto begin = Clock::now();
    register_source();
    times_.text += since(begin);
  } else if (!rows_.empty() && drawn_ < frames_wanted()) {
    result.events.push_back(draw());
  } else {
    hear_what_may_be_heard();
    if (!speak() && !over() && !utterance_frames_) result.outcome = StepOutcome::needs_input;
  }
  told_ends_.tell(drawn_, result);
  if (motion_ && result.outcome == StepOutcome::again && over()) {
    told_ends_.tell_all(result);
    result.outcome = StepOutcome::finished;
  }
  return result;
}

int64_t DittoGenerator::bytes() const {
  int64_t total = waiting_.bytes() + sound_.bytes();
  for (const ditto::SourceFrame& source : sources_)
    total += static_cast<int64_t>(source.pixels.nbytes()) +
             (source.feature.defined() ? static_cast<int64_t>(source.feature.nbytes()) : 0);
  return total;
}

}  // namespace rushes::generation
