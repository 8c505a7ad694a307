#include "rushes/generation/imtalker/generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/generation/driving_sound.h"
#include "rushes/generation/utterances.h"
#include "rushes/tensor/image_pixels.h"
#include "rushes/tensor/image_resize.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

using Clock = std::chrono::steady_clock;
using Mode = TalkMode;

constexpr double kKept = 0.25;                        // of the motion before a chunk, in its first frame
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

TalkGenerator::TalkGenerator(std::shared_ptr<const TalkParts> parts, TalkPlan plan, TalkFrame picture)
    : parts_(std::move(parts)),
      plan_(std::move(plan)),
      picture_(std::move(picture)),
      windows_(windows_of(plan_, *parts_)),
      noise_(plan_.seed, parts_->generator.config().dim_motion) {
  if (picture_.whole.defined()) paste_mask_ = imtalker::border_mask(kMaskSide, kMaskMargin).to(picture_.whole.device());
}

at::Tensor NoiseTape::take(int64_t frames, int64_t used) {
  const int64_t drawn = ahead_.defined() ? ahead_.size(1) : 0;
  if (drawn < frames) {
    const at::Tensor more = stream_.normal({1, frames - drawn, width_});
    ahead_ = drawn > 0 ? at::cat({ahead_, more}, 1) : more;
  }
  const at::Tensor taken = ahead_.narrow(1, 0, frames);
  ahead_ = ahead_.narrow(1, used, ahead_.size(1) - used).clone();  // what is used is not kept alive
  return taken;
}

VideoFormat TalkGenerator::format() const { return plan_.format(); }

std::unique_ptr<Generator> TalkGenerator::fork() const {
  // What is shared is never written to.
  auto copy = std::make_unique<TalkGenerator>(*this);
  copy->prepared_.reset();  // perhaps from speech that is still in this one's inbox
  return copy;
}

int64_t TalkGenerator::bytes() const {
  int64_t total = speech_.bytes() + windows_.waiting() * 4;
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
  if (!plan_.driving) hear_inbox(inbox);

  if (!portrait_) {
    const auto begin = Clock::now();
    portrait_ = parts_->renderer.portrait(picture_.face);
    times_.text += since(begin);
  } else if (spoken_.defined()) {
    result.events.push_back(render());
    block_done_ = true;
  } else if (!utterance_over() && !speak()) {
    result.outcome = speech_ended_ ? StepOutcome::finished : StepOutcome::needs_input;
    return result;
  }
  if (utterance_over()) {
    utterance_ends_.pop_front();
    utterance_begin_ = video_frames_;
    result.events.push_back(UtteranceEnded{});
  }
  // The end is told with the last pictures, so that whoever records them can close the file at once.
  const bool nothing_left =
      !spoken_.defined() && speech_ended_ && waiting_windows_.empty() &&
      (plan_.driving || plan_.mode == Mode::reference || spoken_frames_ * parts_->samples_per_frame() >= speech_.end());
  if (nothing_left) result.outcome = StepOutcome::finished;
  return result;
}

/// Speech of this step, and where its utterances end.
void TalkGenerator::hear_inbox(const Inbox& inbox) {
  const auto hear = [&](std::span<const float> piece) {
    if (plan_.mode == Mode::aligned) {
      speech_.add(piece);
    } else {
      for (auto& window : windows_.feed({piece.begin(), piece.end()})) {
        waiting_windows_.push_back(std::move(window));
        ++windows_made_;
      }
    }
  };
  hear_utterances(inbox, hear, [&] { end_utterance(); });
  if (!inbox.end_of_speech || std::exchange(speech_ended_, true) || plan_.mode == Mode::aligned) return;
  if (auto rest = windows_.flush()) {
    waiting_windows_.push_back(std::move(*rest));
    ++windows_made_;
  }
}

/// The next utterance begins with a video frame of its own.
void TalkGenerator::end_utterance() {
  if (plan_.mode == Mode::aligned) {
    const int64_t per_frame = parts_->samples_per_frame();
    speech_.pad((speech_.end() + per_frame - 1) / per_frame * per_frame);
    utterance_ends_.push_back(speech_.end());
    return;
  }
  if (auto rest = windows_.flush()) {
    waiting_windows_.push_back(std::move(*rest));
    ++windows_made_;
  }
  windows_ = audio::ChunkBuffer(windows_of(plan_, *parts_));
  utterance_ends_.push_back(windows_made_);
}

/// All of the oldest utterance that has an end has been shown.
bool TalkGenerator::utterance_over() const {
  if (utterance_ends_.empty() || spoken_.defined()) return false;
  if (plan_.mode == Mode::reference) return windows_spoken_ >= utterance_ends_.front();
  return spoken_frames_ * parts_->samples_per_frame() >= utterance_ends_.front();
}

/// Makes the motion of the next chunk; false if there is not enough speech for one.
bool TalkGenerator::speak() {
  const auto begin = Clock::now();
  const bool spoken = plan_.driving ? follow() : plan_.mode == Mode::aligned ? speak_aligned() : speak_reference();
  if (spoken) times_.denoise += since(begin);
  return spoken;
}

/// Nothing, if there is not enough speech for one, `more_samples` included.
std::optional<TalkGenerator::Hearing> TalkGenerator::next_chunk(std::size_t more_samples, bool ended) const {
  const int64_t per_frame = parts_->samples_per_frame();
  int64_t received = speech_.end() + static_cast<int64_t>(more_samples);
  if (!utterance_ends_.empty()) {
    received = std::min(received, utterance_ends_.front());
    ended = true;
  }
  const int64_t whole_frames = received / per_frame, all_frames = (received + per_frame - 1) / per_frame;
  int64_t end = spoken_frames_ + plan_.chunk_frames;
  if (whole_frames < end) {
    if (!ended || all_frames == spoken_frames_) return std::nullopt;
    end = std::min(end, all_frames);
  }
  // The encoder hears as much as a window of its training has, most of it from before the new frames.
  const imtalker::GeneratorConfig& config = parts_->generator.config();
  const int64_t heard = std::max(config.window_frames(), plan_.chunk_frames + config.num_prev_frames);
  const int64_t from = std::max<int64_t>(0, end - heard) * per_frame;
  return Hearing{from, std::min(end * per_frame, received) - from, end};
}

std::string TalkGenerator::shape_of_step(const Inbox& inbox) const {
  if (plan_.mode != Mode::aligned || plan_.driving || !portrait_ || spoken_.defined() || prepared_) return {};
  if (!parts_->generator.samples_are_independent() || !inbox.utterance_ends.empty()) return {};
  const auto chunk = next_chunk(inbox.speech.size(), speech_ended_ || inbox.end_of_speech);
  if (!chunk) return {};
  return fmt::format("{} samples, {} frames, {} time points, guidance {}", chunk->samples, chunk->end - spoken_frames_,
                     plan_.motion.time_points, plan_.motion.guidance_scale);
}

void TalkGenerator::hear(const std::vector<TalkGenerator*>& speakers, const std::vector<const Inbox*>& inboxes) {
  const TalkParts& parts = *speakers.front()->parts_;
  const TalkPlan& plan = speakers.front()->plan_;
  std::vector<Hearing> chunks;
  std::vector<at::Tensor> references;
  std::vector<imtalker::MotionContext> past;
  std::vector<NoiseTape> noise;
  for (std::size_t i = 0; i < speakers.size(); ++i) {
    const TalkGenerator& speaker = *speakers[i];
    chunks.push_back(
        speaker.next_chunk(inboxes[i]->speech.size(), speaker.speech_ended_ || inboxes[i]->end_of_speech).value());
    references.push_back(speaker.portrait_->motion);
    past.push_back(speaker.context_ ? *speaker.context_ : parts.generator.no_past(1));
    noise.push_back(speaker.noise_);
  }
  const int64_t T = chunks.front().end - speakers.front()->spoken_frames_;
  std::vector<imtalker::Conditions> conditions;
  std::vector<at::Tensor> drawn;
  for (std::size_t i = 0; i < speakers.size(); ++i) {
    // Each by itself: convolutions of a batch are not, to the bit, those of its samples.
    const at::Tensor heard = parts.speech_features(speakers[i]->wave(chunks[i], inboxes[i]->speech));
    conditions.push_back(parts.generator.project({.audio_features = heard.narrow(1, heard.size(1) - T, T),
                                                  .reference = references[i],
                                                  .gaze = held(speakers[i]->plan_.gaze, T),
                                                  .pose = held(speakers[i]->plan_.pose, T)}));
    drawn.push_back(noise[i].take(parts.generator.whole_windows(T), T));
  }
  const imtalker::Motion motion =
      parts.generator.sample(imtalker::Conditions::batch(conditions), at::cat(references), plan.motion, at::cat(drawn),
                             imtalker::MotionContext::batch(past));
  for (std::size_t i = 0; i < speakers.size(); ++i) {
    const auto b = static_cast<int64_t>(i);
    speakers[i]->prepared_ =
        Prepared{chunks[i].end, motion.latents.narrow(0, b, 1), motion.context.sample(b), std::move(noise[i])};
  }
}

bool TalkGenerator::speak_aligned() {
  const auto chunk = next_chunk(0, speech_ended_);
  if (!chunk) return false;
  if (!prepared_) {
    const Inbox nothing;
    hear({this}, {&nothing});
  }
  Prepared prepared = *std::exchange(prepared_, std::nullopt);
  RUSHES_ASSERT(prepared.end == chunk->end);
  context_ = std::move(prepared.context);
  noise_ = std::move(prepared.noise);
  show(prepared.latents);
  // A chunk knows the one before, but need not begin where that ended: its first frame meets it part of the way.
  if (last_shown_.defined())
    spoken_ = at::cat({(1 - kKept) * spoken_.narrow(0, 0, 1) + kKept * last_shown_, spoken_.slice(0, 1)});
  last_shown_ = spoken_.narrow(0, spoken_.size(0) - 1, 1).clone();
  spoken_frames_ = chunk->end;
  return true;
}

/// A window that knows nothing of the one before it.
bool TalkGenerator::speak_reference() {
  if (waiting_windows_.empty()) return false;
  tensor::RandomStream noise(plan_.seed);  // every window starts from the same noise
  const at::Tensor wave = at::tensor(waiting_windows_.front(), at::TensorOptions(at::kFloat));
  waiting_windows_.erase(waiting_windows_.begin());
  ++windows_spoken_;
  const at::Tensor features = parts_->speech_features(wave);
  const int64_t T = features.size(1);
  const imtalker::MotionRequest request{.audio_features = features,
                                        .reference = portrait_->motion,
                                        .gaze = held(plan_.gaze, T),
                                        .pose = held(plan_.pose, T)};
  show(parts_->generator.sample(request, plan_.motion, noise).latents);
  spoken_frames_ += spoken_.size(0);
  return true;
}

/// latents [1, T, dim_motion]: what the next steps render.
void TalkGenerator::show(const at::Tensor& latents) {
  rendered_ = 0;
  const double scale = plan_.motion_scale;
  spoken_ = ((1 - scale) * portrait_->motion.unsqueeze(1) + scale * latents).squeeze(0);
}

/// The motion of the driving video's next frames.
bool TalkGenerator::follow() {
  if (speech_ended_) return false;
  std::vector<at::Tensor> faces;
  for (int64_t i = 0; i < kBlockFrames; ++i) {
    const at::Tensor face = driving_face(spoken_frames_ + i);
    if (!face.defined()) break;
    faces.push_back(face);
  }
  speech_ended_ = !plan_.driving->frame(spoken_frames_ + static_cast<int64_t>(faces.size()));
  if (faces.empty()) return false;
  spoken_ = parts_->renderer.motion(at::cat(faces));
  spoken_frames_ += spoken_.size(0);
  rendered_ = 0;
  return true;
}

/// As the networks take it, [1, 3, S, S]; undefined behind the end.
at::Tensor TalkGenerator::driving_face(int64_t frame) const {
  const std::optional<Image> picture = plan_.driving->frame(frame);
  if (!picture) return {};
  at::Tensor pixels = tensor::borrowed_pixels(*picture);
  const int64_t side = parts_->renderer.config().picture_side();
  if (const auto& s = plan_.driving_square)
    pixels = tensor::resize(pixels.slice(0, s->y1, s->y2).slice(1, s->x1, s->x2).contiguous(), side, side,
                            tensor::Resampling::lanczos);
  else
    pixels = tensor::resize(pixels, side, side, tensor::Resampling::bilinear);
  return imtalker::pixels_to_frames(pixels).to(parts_->like);
}

FrameBlock TalkGenerator::render() {
  const auto begin = Clock::now();
  const int64_t to_border = kSegmentFrames - (video_frames_ - utterance_begin_) % kSegmentFrames;
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
  block.fps = plan_.fps;
  block.first_video_frame = video_frames_;
  block.block = blocks_++;
  block.latent_frames = count;
  if (plan_.mode == Mode::aligned) block.audio = audio(video_frames_, count);
  times_.decode += since(begin);
  block.times = std::exchange(times_, StageTimes{});
  video_frames_ += count;
  rendered_ += count;
  if (rendered_ == spoken_.size(0)) spoken_.reset();
  if (plan_.mode == Mode::aligned && !plan_.driving) forget_old_samples();
  return block;
}

/// Of speech_ and, behind it, `more`: [samples].
at::Tensor TalkGenerator::wave(const Hearing& hearing, const std::vector<float>& more) const {
  const at::Tensor wave = at::empty({hearing.samples}, at::kFloat);
  const std::vector<float> own = speech_.samples(hearing.from, hearing.from + hearing.samples);
  auto* const out = std::copy(own.begin(), own.end(), wave.data_ptr<float>());
  std::copy_n(more.begin() + std::max<int64_t>(0, hearing.from - speech_.end()),
              hearing.samples - static_cast<int64_t>(own.size()), out);
  return wave;
}

Audio TalkGenerator::audio(int64_t first_frame, int64_t frames) const {
  if (plan_.driving) return audio_of(*plan_.driving, first_frame, frames);
  const int64_t per_frame = parts_->samples_per_frame();
  const int64_t first = first_frame * per_frame;
  return {.samples = std::make_shared<const std::vector<float>>(speech_.samples(first, first + frames * per_frame)),
          .first_sample = first,
          .hz = parts_->generator.config().sampling_rate};
}

/// Keeps what the next chunk hears and what has not gone out with its frames.
void TalkGenerator::forget_old_samples() {
  const imtalker::GeneratorConfig& config = parts_->generator.config();
  const int64_t heard = std::max(config.window_frames(), plan_.chunk_frames + config.num_prev_frames);
  speech_.forget_before(std::max<int64_t>(0, std::min(video_frames_, spoken_frames_ - heard)) *
                        parts_->samples_per_frame());
}

}  // namespace rushes::generation
