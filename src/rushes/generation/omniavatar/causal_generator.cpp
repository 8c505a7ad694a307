#include "rushes/generation/omniavatar/causal_generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/generation/omniavatar/frame_block.h"
#include "rushes/generation/omniavatar/speech_features.h"
#include "rushes/generation/stage_timer.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

CausalPipeline::Options pipeline_options(const OmniAvatarParts& parts, const OmniAvatarPlan& plan) {
  const int64_t stride = parts.autoencoder->spatial_stride(), h = plan.height / stride, w = plan.width / stride;
  const int64_t tokens = parts.config().wan.tokens_per_frame(h, w), window = plan.settings.window.value_or(0);
  const int64_t least = (kBlockLatentFrames + plan.settings.sink) * tokens;  // of a large picture a block must fit
  return {.height = h,
          .width = w,
          .steps = plan.settings.steps,
          .timestep_shift = plan.settings.timestep_shift,
          .capacity_tokens = window > 0 ? window * tokens : std::max(plan.settings.cache_tokens, least),
          .sink_latent_frames = plan.settings.sink,
          .rounds_times = parts.rounds_times,
          .own_reference = plan.settings.own_reference};
}

}  // namespace

CausalAvatarGenerator::CausalAvatarGenerator(std::shared_ptr<const OmniAvatarParts> parts,
                                             std::shared_ptr<const OmniAvatarPlan> plan,
                                             std::unique_ptr<NoiseSource> noise, at::Tensor picture)
    : parts_(std::move(parts)),
      plan_(std::move(plan)),
      noise_(std::move(noise)),
      pipeline_(parts_->causal, pipeline_options(*parts_, *plan_)),
      decoder_(parts_->autoencoder->decoder()),
      windows_{.fps = plan_->settings.fps, .hz = kAvatarSpeechHz},
      phase_(picture.defined() ? Phase::picture : Phase::border),
      picture_(std::move(picture)),
      track_(kAvatarSpeechHz, plan_->settings.fps),
      total_frames_(plan_->video_frames) {
  if (plan_->settings.silent) end_speech();
}

int64_t CausalAvatarGenerator::working_bytes(const OmniAvatarParts& parts, const OmniAvatarPlan& plan) {
  const CausalPipeline::Options options = pipeline_options(parts, plan);
  const int64_t denoising = parts.causal->working_bytes(
      {.height = options.height, .width = options.width, .capacity_tokens = options.capacity_tokens},
      kBlockLatentFrames);
  return denoising + parts.autoencoder->decoding_bytes(kBlockLatentFrames, plan.height, plan.width);
}

CausalAvatarGenerator::CausalAvatarGenerator(const CausalAvatarGenerator& other)
    : parts_(other.parts_),
      plan_(other.plan_),
      noise_(other.noise_->clone()),
      pipeline_(other.pipeline_),
      decoder_(other.decoder_->clone()),
      windows_(other.windows_),
      phase_(other.phase_),
      picture_(other.picture_),
      track_(other.track_),
      utterances_(other.utterances_),
      spoken_until_(other.spoken_until_),
      total_frames_(other.total_frames_),
      clip_features_(other.clip_features_),
      silence_(other.silence_),
      live_prompt_(other.live_prompt_),
      prompt_(other.prompt_),
      text_(other.text_),
      newest_(other.at_block_border() ? BlockTensors() : other.newest_),  // who forks there only goes on
      newest_step_(other.newest_step_),
      video_frames_(other.video_frames_),
      times_(other.times_) {
  // What was computed ahead may be of speech that is still in the other's inbox.
  if (other.noise_behind_) pipeline_.give_up();
}

std::unique_ptr<Generator> CausalAvatarGenerator::fork() const {
  const c10::InferenceMode inference;
  return std::unique_ptr<Generator>(new CausalAvatarGenerator(*this));
}

int64_t CausalAvatarGenerator::bytes() const {
  int64_t total = pipeline_.bytes() + decoder_->bytes() + track_.bytes();
  for (const at::Tensor* tensor : {&picture_, &clip_features_, &silence_.values, &newest_.latents, &newest_.frames})
    if (tensor->defined()) total += static_cast<int64_t>(tensor->nbytes());
  return total;
}

StepResult CausalAvatarGenerator::step(const Inbox& inbox) {
  const c10::InferenceMode inference;
  StepResult result;
  take(inbox);
  switch (phase_) {
    case Phase::picture: {
      const StageTimer timer(times_.decode);
      pipeline_.set_picture(parts_->encode(std::exchange(picture_, {}), /*tiled=*/false));
      phase_ = Phase::border;
      break;
    }
    case Phase::border:
      if (is_over()) {  // all that was said has been shown when its end came
        phase_ = Phase::finished;
      } else if (noise_behind_) {  // what has come since then is for the next block
        noise_ = std::move(noise_behind_);
        phase_ = Phase::block;
      } else if (!may_begin(track_.heard())) {
        result.outcome = StepOutcome::needs_input;
      } else if (!take_over_prompt(result)) {
        begin_block();
      }
      break;
    case Phase::block: advance(result); break;
    case Phase::decode:
      result.events.push_back(decode_block());
      phase_ = is_over() ? Phase::finished : Phase::rerun;
      break;
    case Phase::rerun:
      pipeline_.step(*text_, *noise_);
      phase_ = Phase::border;
      break;
    case Phase::finished: fail(ErrorCode::internal, "step() of a finished generator");
  }
  utterances_.tell(video_frames_, result);
  if (phase_ == Phase::finished) {
    utterances_.tell_all(result);
    result.outcome = StepOutcome::finished;
  }
  return result;
}

// ---- speech ----

void CausalAvatarGenerator::take(const Inbox& inbox) {
  if (inbox.prompt) live_prompt_ = inbox.prompt;
  const auto hear = [&](std::span<const float> samples) {
    track_.hear(samples);
    spoken_until_ = track_.heard();
  };
  hear_utterances(inbox, hear, [&] { end_utterance(); });
  if (inbox.end_of_speech && !track_.ended()) end_speech();
}

/// Silence behind it, as much as its last block needs to be made now. What fills the block is shown.
void CausalAvatarGenerator::end_utterance() {
  const int64_t frames = track_.frames(spoken_until_);
  utterances_.add(frames);
  if (!plan_->settings.online_mode || spoken_until_ == 0 || spoken_until_ < track_.heard()) return;  // nothing new
  const int64_t last = windows_.blocks(frames) - 1;
  spoken_until_ = std::max(spoken_until_, windows_.sample(windows_.frames(last).end));
  track_.pad(windows_.sample(windows_.heard(last, /*is_last=*/false).end));
}

void CausalAvatarGenerator::end_speech() {
  track_.end();
  const bool silent = is_silent(), exact = !plan_->settings.reference_lengths;
  if (!total_frames_) {
    if (silent && plan_->endless) return;
    const double seconds = static_cast<double>(spoken_until_) / static_cast<double>(kAvatarSpeechHz);
    if (silent)
      total_frames_ = kSilentVideoFrames;
    else if (exact)
      total_frames_ = track_.frames(spoken_until_);
    else  // whole blocks, of which the first one counts like the others
      total_frames_ = windows_
                          .frames((std::max<int64_t>(1, static_cast<int64_t>(seconds * plan_->settings.fps)) - 1) /
                                  windows_.block_frames)
                          .end;
  }
  if (silent) return;
  const int64_t blocks = windows_.blocks(*total_frames_);
  // What the last block lacks is silence. The published engine has none: it hears what there is, stretched.
  if (exact) track_.pad(windows_.sample(windows_.frames(blocks - 1).end));
  if (!plan_->settings.online_mode) hear_clip(blocks);
}

void CausalAvatarGenerator::hear_clip(int64_t blocks) {
  const StageTimer timer(times_.text);
  const int64_t frames = windows_.frames(blocks - 1).end, shown = windows_.sample(frames);
  require(track_.heard() <= kMostClipSeconds * kAvatarSpeechHz, ErrorCode::too_large,
          "speech of {} s is too long to be heard as one clip; at most {} s are allowed; use online_mode",
          track_.heard() / kAvatarSpeechHz, kMostClipSeconds);
  const auto samples = track_.samples(0, plan_->settings.reference_lengths ? track_.heard() : shown);
  const int64_t least = plan_->settings.reference_lengths ? windows_.least_samples : shown;
  clip_features_ = omniavatar::with_first_group_filled(clip_features(*parts_->speech, samples, least, frames),
                                                       parts_->config().speech.group);
}

bool CausalAvatarGenerator::may_begin(int64_t heard) const {
  if (track_.ended()) return true;
  if (!plan_->settings.online_mode) return false;
  const int64_t block = pipeline_.block();
  return heard >= windows_.sample(windows_.heard(block, is_last(block, heard)).end);
}

/// Nothing behind it is heard.
bool CausalAvatarGenerator::is_last(int64_t block, int64_t heard) const {
  const int64_t end = windows_.frames(block).end;
  if (plan_->video_frames && end >= *plan_->video_frames) return true;
  return track_.ended() && heard < windows_.sample(end + windows_.context_frames);
}

/// [1, 12, C]
at::Tensor CausalAvatarGenerator::features_of_block(const SpeechTrack& track) const {
  const int64_t block = pipeline_.block(), group = parts_->config().speech.group, count = group * kBlockLatentFrames;
  if (clip_features_.defined()) return clip_features_.narrow(1, block * count, count);
  const omniavatar::Span heard = windows_.heard(block, is_last(block, track.heard())),
                         samples = windows_.samples(heard);
  const at::Tensor features = window_features(*parts_->speech, track.samples(samples.first, samples.end), heard,
                                              windows_.frames(block), windows_.least_samples);
  return block == 0 ? omniavatar::with_first_group_filled(features, group) : features;
}

// ---- blocks ----

/// True if a prompt was encoded, which is a step of its own.
bool CausalAvatarGenerator::take_over_prompt(StepResult& result) {
  const std::string& wanted = live_prompt_ ? *live_prompt_ : plan_->prompts.front();
  if (text_ != nullptr && wanted == prompt_) return false;
  const StageTimer timer(times_.text);
  // Only what cross-attention reads changes; the cache of the blocks before stays, so the picture goes on.
  text_ = parts_->context(wanted);
  prompt_ = wanted;
  result.events.push_back(PromptApplied{prompt_, 0, pipeline_.block()});
  return true;
}

wan::FrameAdditions CausalAvatarGenerator::speech_of_block(const SpeechTrack& track) const {
  if (!is_silent()) return parts_->additions(features_of_block(track));
  if (silence_.values.defined()) return silence_;
  const omniavatar::SpeechConfig& speech = parts_->config().speech;
  return parts_->additions(at::zeros({1, kBlockLatentFrames * speech.group, speech.feature_dim}, at::kFloat));
}

void CausalAvatarGenerator::begin_block() {
  const StageTimer timer(times_.text);
  const wan::FrameAdditions speech = speech_of_block(track_);
  if (is_silent()) silence_ = speech;
  pipeline_.begin(speech, *noise_);
  phase_ = Phase::block;
}

std::string CausalAvatarGenerator::shape_of_step(const Inbox& inbox) const {
  const bool has_prompt = text_ != nullptr && prompt_ == live_prompt_.value_or(plan_->prompts.front());
  if (phase_ != Phase::border || is_over() || noise_behind_ || !has_prompt || inbox.prompt || inbox.end_of_speech ||
      !inbox.utterance_ends.empty() || !parts_->causal->transformer().core().samples_are_independent() ||
      !may_begin(track_.heard() + static_cast<int64_t>(inbox.speech.size())))
    return {};
  return fmt::format("{}x{}, {} steps, shift {}", plan_->width, plan_->height, plan_->settings.steps,
                     plan_->settings.timestep_shift);
}

void CausalAvatarGenerator::compute_together(const std::vector<CausalAvatarGenerator*>& avatars,
                                             const std::vector<const Inbox*>& inboxes) {
  std::vector<CausalPipeline*> blocks;
  std::vector<const wan::TextContext*> texts;
  std::vector<std::unique_ptr<NoiseSource>> noise;
  std::vector<NoiseSource*> drawn;
  try {
    for (std::size_t i = 0; i < avatars.size(); ++i) {
      CausalAvatarGenerator& avatar = *avatars[i];
      const StageTimer timer(avatar.times_.text);
      std::optional<SpeechTrack> more;
      if (!inboxes[i]->speech.empty()) more.emplace(avatar.track_).hear(inboxes[i]->speech);
      noise.push_back(avatar.noise_->clone());
      drawn.push_back(noise.back().get());
      texts.push_back(avatar.text_.get());
      avatar.pipeline_.begin(avatar.speech_of_block(more ? *more : avatar.track_), *drawn.back());
      blocks.push_back(&avatar.pipeline_);
    }
    CausalPipeline::compute_together(blocks, texts, drawn);
  } catch (...) {
    for (CausalPipeline* block : blocks) block->give_up();
    throw;
  }
  for (std::size_t i = 0; i < avatars.size(); ++i) avatars[i]->noise_behind_ = std::move(noise[i]);
}

void CausalAvatarGenerator::advance(StepResult& result) {
  const StageTimer timer(times_.denoise);
  newest_step_ = {.latent_frames = kBlockLatentFrames, .timestep = pipeline_.timestep()};
  const std::optional<at::Tensor> clean = pipeline_.step(*text_, *noise_);
  result.events.push_back(BlockProgress{0, pipeline_.block(), pipeline_.steps_done(), plan_->settings.steps});
  if (!clean) return;
  newest_.latents = *clean;
  phase_ = Phase::decode;
}

FrameBlock CausalAvatarGenerator::decode_block() {
  FrameBlock block;
  {
    const StageTimer timer(times_.decode);
    newest_.frames = decoder_->decode(newest_.latents[0]);
    block = frame_block(newest_.frames, plan_->settings.fps);
  }
  if (total_frames_) block.video_frames = std::min(block.video_frames, *total_frames_ - video_frames_);
  block.first_video_frame = video_frames_;
  block.block = pipeline_.block();
  block.latent_frames = kBlockLatentFrames;
  block.prompt = prompt_;
  block.audio = track_.sound(video_frames_, video_frames_ + block.video_frames, spoken_until_);
  block.times = std::exchange(times_, StageTimes{});
  video_frames_ += block.video_frames;
  // The next block hears a frame of what went out with this one.
  track_.forget_before(windows_.sample(video_frames_ - windows_.context_frames));
  return block;
}

}  // namespace rushes::generation
