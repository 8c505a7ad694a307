#include "rushes/generation/talk_generator.h"

#include <algorithm>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

using Clock = std::chrono::steady_clock;
using Mode = TalkOptions::Mode;

constexpr int64_t kMaskMargin = 32, kMaskSide = 512;  // of the blended border, in pixels of a mask of that side

std::chrono::microseconds since(Clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
}

audio::ChunkBuffer::Options windows_of(const TalkPlan& plan, const TalkParts& parts) {
  return audio::ChunkBuffer::Options::of_seconds(plan.chunk_seconds, parts.generator.config().sampling_rate);
}

std::optional<at::Tensor> held(const std::optional<at::Tensor>& row, int64_t frames) {
  return row ? std::optional(row->expand({frames, -1})) : std::nullopt;
}

}  // namespace

TalkGenerator::TalkGenerator(std::shared_ptr<const TalkParts> parts, TalkPlan plan, TalkPicture picture)
    : parts_(std::move(parts)),
      plan_(std::move(plan)),
      picture_(std::move(picture)),
      windows_(windows_of(plan_, *parts_)),
      noise_(plan_.seed) {
  if (picture_.whole.defined()) paste_mask_ = imtalker::border_mask(kMaskSide, kMaskMargin).to(picture_.whole.device());
}

VideoFormat TalkGenerator::format() const {
  const imtalker::GeneratorConfig& config = parts_->generator.config();
  return {.height = plan_.height,
          .width = plan_.width,
          .fps = config.fps,
          .video_frames = {},
          .sound_hz = plan_.mode == Mode::aligned ? config.sampling_rate : 0,
          .speech_hz = config.sampling_rate};
}

std::unique_ptr<Generator> TalkGenerator::fork() const {
  // What is shared is never written to.
  return std::make_unique<TalkGenerator>(*this);
}

int64_t TalkGenerator::bytes() const {
  int64_t total = static_cast<int64_t>(speech_.size() * sizeof(float)) + windows_.waiting() * 4;
  for (const at::Tensor& tensor : {picture_.face, picture_.whole, spoken_})
    if (tensor.defined()) total += static_cast<int64_t>(tensor.nbytes());
  if (portrait_) {
    for (const imtalker::SourceTokens& tokens : portrait_->source.coarse)
      total += static_cast<int64_t>(tokens.k.nbytes() + tokens.v.nbytes());
    for (const at::Tensor& means : portrait_->source.fine) total += static_cast<int64_t>(means.nbytes());
  }
  return total;
}

StepResult TalkGenerator::step(const Inbox& inbox) {
  const c10::InferenceMode inference;
  StepResult result;
  block_done_ = false;
  if (plan_.mode == Mode::aligned)
    speech_.insert(speech_.end(), inbox.speech.begin(), inbox.speech.end());
  else if (!inbox.speech.empty())
    for (auto& window : windows_.feed(inbox.speech)) waiting_windows_.push_back(std::move(window));
  if (inbox.end_of_speech && !std::exchange(speech_ended_, true) && plan_.mode == Mode::reference)
    if (auto rest = windows_.flush()) waiting_windows_.push_back(std::move(*rest));

  if (!portrait_) {
    const auto begin = Clock::now();
    portrait_ = parts_->renderer.portrait(picture_.face);
    times_.text += since(begin);
  } else if (spoken_.defined()) {
    result.events.push_back(render());
    block_done_ = true;
  } else if (!speak()) {
    result.outcome = speech_ended_ ? StepOutcome::finished : StepOutcome::needs_input;
    return result;
  }
  // The end is told with the last pictures, so that whoever records them can close the file at once.
  const bool nothing_left = !spoken_.defined() && speech_ended_ && waiting_windows_.empty() &&
                            (plan_.mode == Mode::reference || spoken_frames_ * parts_->samples_per_frame() >=
                                                                  speech_begin_ + static_cast<int64_t>(speech_.size()));
  if (nothing_left) result.outcome = StepOutcome::finished;
  return result;
}

/// Makes the motion of the next chunk; false if there is not enough speech for one.
bool TalkGenerator::speak() {
  const auto begin = Clock::now();
  const bool spoken = plan_.mode == Mode::aligned ? speak_aligned() : speak_reference();
  if (spoken) times_.denoise += since(begin);
  return spoken;
}

bool TalkGenerator::speak_aligned() {
  const int64_t per_frame = parts_->samples_per_frame();
  const int64_t received = speech_begin_ + static_cast<int64_t>(speech_.size());
  const int64_t whole_frames = received / per_frame, all_frames = (received + per_frame - 1) / per_frame;
  int64_t end = spoken_frames_ + plan_.chunk_frames;
  if (whole_frames < end) {
    if (!speech_ended_ || all_frames == spoken_frames_) return false;
    end = std::min(end, all_frames);
  }
  // The encoder hears as much as a window of its training has, most of it from before the new frames.
  const imtalker::GeneratorConfig& config = parts_->generator.config();
  const int64_t heard = std::max(config.window_frames(), plan_.chunk_frames + config.num_prev_frames);
  const int64_t from = std::max<int64_t>(0, end - heard), fresh = end - spoken_frames_;
  const at::Tensor wave = samples(from * per_frame, std::min(end * per_frame, received) - from * per_frame);
  const at::Tensor features = parts_->speech_features(wave);
  spoken_ = motion_of(features.narrow(1, features.size(1) - fresh, fresh), noise_, /*continued=*/true);
  spoken_frames_ = end;
  return true;
}

bool TalkGenerator::speak_reference() {
  if (waiting_windows_.empty()) return false;
  tensor::RandomStream noise(plan_.seed);  // every window starts from the same noise
  const at::Tensor wave = at::tensor(waiting_windows_.front(), at::TensorOptions(at::kFloat));
  waiting_windows_.erase(waiting_windows_.begin());
  spoken_ = motion_of(parts_->speech_features(wave), noise, /*continued=*/false);
  spoken_frames_ += spoken_.size(0);
  return true;
}

/// features [1, T, dim_audio] to motion latents [T, dim_motion].
at::Tensor TalkGenerator::motion_of(const at::Tensor& features, tensor::RandomStream& noise, bool continued) {
  const int64_t T = features.size(1);
  const imtalker::MotionRequest request{.audio_features = features,
                                        .reference = portrait_->motion,
                                        .gaze = held(plan_.gaze, T),
                                        .pose = held(plan_.pose, T)};
  imtalker::Motion motion =
      parts_->generator.sample(request, plan_.motion, noise, continued && context_ ? &*context_ : nullptr);
  if (continued) context_ = std::move(motion.context);
  rendered_ = 0;
  const at::Tensor calmed =
      (1 - plan_.motion_scale) * portrait_->motion.unsqueeze(1) + plan_.motion_scale * motion.latents;
  return calmed.squeeze(0);
}

FrameBlock TalkGenerator::render() {
  const auto begin = Clock::now();
  const int64_t to_border = kSegmentFrames - video_frames_ % kSegmentFrames;
  const int64_t count = std::min({kBlockFrames, spoken_.size(0) - rendered_, to_border});
  at::Tensor frames = parts_->renderer.render(spoken_.narrow(0, rendered_, count), *portrait_).to(at::kFloat);
  if (picture_.whole.defined())
    frames = imtalker::paste_back(frames, picture_.whole, picture_.square, paste_mask_)
                 .narrow(2, 0, plan_.height)
                 .narrow(3, 0, plan_.width);
  const at::Tensor pixels = imtalker::frames_to_pixels(frames).contiguous();
  FrameBlock block;
  block.rgb = std::shared_ptr<const uint8_t>(std::make_shared<at::Tensor>(pixels), pixels.const_data_ptr<uint8_t>());
  block.video_frames = count;
  block.height = pixels.size(1);
  block.width = pixels.size(2);
  block.fps = parts_->generator.config().fps;
  block.first_video_frame = video_frames_;
  block.block = blocks_++;
  block.latent_frames = count;
  if (plan_.mode == Mode::aligned) block.sound = sound(video_frames_, count);
  times_.decode += since(begin);
  block.times = std::exchange(times_, StageTimes{});
  video_frames_ += count;
  rendered_ += count;
  if (rendered_ == spoken_.size(0)) spoken_.reset();
  if (plan_.mode == Mode::aligned) forget_old_samples();
  return block;
}

/// `count` samples from `first` on, as a tensor of their own.
at::Tensor TalkGenerator::samples(int64_t first, int64_t count) const {
  const auto begin = speech_.begin() + (first - speech_begin_);
  return at::tensor(at::ArrayRef<float>(&*begin, static_cast<std::size_t>(count)), at::TensorOptions(at::kFloat));
}

Sound TalkGenerator::sound(int64_t first_frame, int64_t frames) const {
  const int64_t per_frame = parts_->samples_per_frame();
  const int64_t first = first_frame * per_frame - speech_begin_;
  const int64_t last = std::min<int64_t>(first + frames * per_frame, static_cast<int64_t>(speech_.size()));
  return {.samples = std::make_shared<const std::vector<float>>(speech_.begin() + first, speech_.begin() + last),
          .first_sample = first_frame * per_frame,
          .hz = parts_->generator.config().sampling_rate};
}

/// Keeps what the next chunk hears and what has not gone out with its frames.
void TalkGenerator::forget_old_samples() {
  const imtalker::GeneratorConfig& config = parts_->generator.config();
  const int64_t heard = std::max(config.window_frames(), plan_.chunk_frames + config.num_prev_frames);
  const int64_t needed =
      std::max<int64_t>(0, std::min(video_frames_, spoken_frames_ - heard)) * parts_->samples_per_frame();
  if (needed <= speech_begin_) return;
  speech_.erase(speech_.begin(), speech_.begin() + (needed - speech_begin_));
  speech_begin_ = needed;
}

}  // namespace rushes::generation
