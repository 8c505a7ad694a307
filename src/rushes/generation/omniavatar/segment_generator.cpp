#include "rushes/generation/omniavatar/segment_generator.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/generation/omniavatar/frame_block.h"
#include "rushes/generation/omniavatar/speech_features.h"
#include "rushes/generation/stage_timer.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

// Note: a frame ahead (segments.h). The sound begins with the second video frame, as the published command has it.
constexpr int64_t kFramesBeforeSpeech = 1;

omniavatar::SegmentRule rule_of(const OmniAvatarPlan& plan) {
  return {.height = plan.height,
          .width = plan.width,
          .max_tokens = plan.settings.max_tokens,
          .overlap = plan.settings.overlap_video_frames,
          .fps = plan.settings.fps,
          .hz = kAvatarSpeechHz};
}

SegmentSampler::Options sampler_options(const OmniAvatarParts& parts, const OmniAvatarSettings& settings) {
  return {.steps = settings.steps,
          .timestep_shift = settings.timestep_shift,
          .guidance = {.text_scale = settings.guidance_scale, .audio_scale = settings.audio_scale},
          .teacache = settings.teacache,
          .rounds_times = parts.rounds_times};
}

}  // namespace

SegmentAvatarGenerator::SegmentAvatarGenerator(std::shared_ptr<const OmniAvatarParts> parts,
                                               std::shared_ptr<const OmniAvatarPlan> plan,
                                               std::unique_ptr<NoiseSource> noise, at::Tensor picture)
    : parts_(std::move(parts)),
      plan_(std::move(plan)),
      noise_(std::move(noise)),
      phase_(picture.defined() ? Phase::picture : Phase::border),
      picture_(std::move(picture)),
      track_(kAvatarSpeechHz, plan_->settings.fps, kFramesBeforeSpeech) {}

SegmentAvatarGenerator::SegmentAvatarGenerator(const SegmentAvatarGenerator& other)
    : parts_(other.parts_),
      plan_(other.plan_),
      noise_(other.noise_->clone()),
      phase_(other.phase_),
      picture_(other.picture_),
      reference_(other.reference_),
      known_(other.known_),
      track_(other.track_),
      segments_(other.segments_),
      features_(other.features_),
      total_frames_(other.total_frames_),
      live_prompt_(other.live_prompt_),
      prompt_(other.prompt_),
      prompts_(other.prompts_),
      sampler_(other.sampler_),
      newest_(other.at_block_border() ? SegmentTensors() : other.newest_),  // who forks there only goes on
      newest_step_(other.newest_step_),
      segment_(other.segment_),
      video_frames_(other.video_frames_),
      times_(other.times_) {}

std::unique_ptr<Generator> SegmentAvatarGenerator::fork() const {
  const c10::InferenceMode inference;
  return std::unique_ptr<Generator>(new SegmentAvatarGenerator(*this));
}

int64_t SegmentAvatarGenerator::bytes() const {
  int64_t total = track_.bytes() + (sampler_ ? sampler_->bytes() : 0);
  for (const at::Tensor* tensor : {&picture_, &reference_, &known_, &features_, &newest_.latents, &newest_.frames})
    if (tensor->defined()) total += static_cast<int64_t>(tensor->nbytes());
  return total;
}

StepResult SegmentAvatarGenerator::step(const Inbox& inbox) {
  const c10::InferenceMode inference;
  StepResult result;
  take(inbox);
  switch (phase_) {
    case Phase::picture: {
      const StageTimer timer(times_.decode);
      reference_ = known_ = parts_->encode(std::exchange(picture_, {}), plan_->settings.tiled_vae);
      phase_ = Phase::border;
      break;
    }
    case Phase::border: at_border(result); break;
    case Phase::segment: advance(result); break;
    case Phase::decode: result.events.push_back(decode_segment()); break;
    case Phase::re_encode: re_encode(); break;
    case Phase::finished: fail(ErrorCode::internal, "step() of a finished generator");
  }
  const int64_t over = phase_ == Phase::finished ? track_.utterances() : track_.utterances_over(video_frames_);
  for (int64_t i = 0; i < over; ++i) result.events.push_back(UtteranceEnded{});
  if (phase_ == Phase::finished) result.outcome = StepOutcome::finished;
  return result;
}

void SegmentAvatarGenerator::take(const Inbox& inbox) {
  if (inbox.prompt) live_prompt_ = inbox.prompt;
  for (const std::size_t end : inbox.utterance_ends)
    track_.end_utterance(track_.frames(track_.heard() + static_cast<int64_t>(end)));
  if (!track_.ended()) track_.hear(inbox.speech);
  require(track_.heard() <= kMostClipSeconds * kAvatarSpeechHz, ErrorCode::too_large,
          "speech of more than {} s cannot be heard as one clip, as this model does", kMostClipSeconds);
  if (inbox.end_of_speech) track_.end();
}

void SegmentAvatarGenerator::at_border(StepResult& result) {
  if (!track_.ended()) {
    result.outcome = StepOutcome::needs_input;
  } else if (!segments_) {
    hear_speech();
  } else if (!take_over_prompt(result)) {
    begin_segment();
  }
}

/// All of it, or as much as the wanted length has; silence follows where it is shorter.
void SegmentAvatarGenerator::hear_speech() {
  const StageTimer timer(times_.text);
  const double samples_a_frame = static_cast<double>(kAvatarSpeechHz) / plan_->settings.fps;
  const std::optional<int64_t> wanted =
      plan_->video_frames || !is_silent() ? plan_->video_frames : std::optional(kSilentVideoFrames);
  int64_t samples = track_.heard();
  if (wanted) samples = static_cast<int64_t>(static_cast<double>(*wanted - kFramesBeforeSpeech) * samples_a_frame);
  segments_ = omniavatar::segments_of_speech(samples, rule_of(*plan_));
  const omniavatar::Segments& all = *segments_;
  const bool whole_segments = plan_->settings.reference_lengths && !plan_->video_frames;
  total_frames_ = wanted.value_or(whole_segments ? all.padded_frames + 1 : all.output_frames());
  if (is_endless()) total_frames_ = std::numeric_limits<int64_t>::max();
  if (is_silent()) return;
  const at::Tensor features =
      clip_features(*parts_->speech, track_.samples(0, samples), samples + all.pad_samples, all.padded_frames);
  features_ = at::constant_pad_nd(features, {0, 0, 1, 0}, 0);
}

bool SegmentAvatarGenerator::take_over_prompt(StepResult& result) {
  const std::string& wanted =
      live_prompt_ ? *live_prompt_ : plan_->prompts[static_cast<std::size_t>(segment_) % plan_->prompts.size()];
  if (prompts_.positive != nullptr && wanted == prompt_) return false;
  const StageTimer timer(times_.text);
  prompts_.positive = parts_->context(wanted);
  if (plan_->settings.guided() && prompts_.negative == nullptr)
    prompts_.negative = parts_->context(plan_->settings.negative_prompt);
  prompt_ = wanted;
  result.events.push_back(PromptApplied{prompt_, segment_, 0});
  return true;
}

/// The frames that a segment shares with the one before have the same features in both.
wan::FrameAdditions SegmentAvatarGenerator::speech_of_segment() const {
  const omniavatar::SpeechConfig& speech = parts_->config().speech;
  const int64_t first = segment_ * (segments_->video_frames - segments_->overlap), count = segments_->video_frames;
  const at::Tensor features =
      features_.defined() ? features_.narrow(1, first, count) : at::zeros({1, count, speech.feature_dim}, at::kFloat);
  return parts_->additions(omniavatar::with_first_group_filled(features, speech.group));
}

void SegmentAvatarGenerator::begin_segment() {
  const StageTimer timer(times_.text);
  const omniavatar::SpeechConfig& speech = parts_->config().speech;
  const int64_t F = segments_->latent_frames, C = parts_->config().wan.out_dim,
                stride = parts_->autoencoder->spatial_stride(), h = plan_->height / stride, w = plan_->width / stride;
  const auto device = parts_->options().device();
  const at::Tensor none = at::zeros({1, C, 1, h, w}, at::TensorOptions(at::kFloat).device(device));
  SegmentSampler::Segment segment{
      .noise = noise_->segment_noise(segment_, {1, C, F, h, w}),
      .known = known_.defined() ? known_.to(device) : known_,
      .condition = omniavatar::condition_channels(reference_.defined() ? reference_.to(device) : none, F,
                                                  known_.defined() ? known_.size(2) : 0),
      .speech = speech_of_segment(),
      .silence = {},
      .prompts = prompts_};
  if (plan_->settings.guided())
    segment.silence = parts_->additions(at::zeros({1, F * speech.group, speech.feature_dim}, at::kFloat));
  sampler_.emplace(parts_->bidirectional, sampler_options(*parts_, plan_->settings), std::move(segment));
  phase_ = Phase::segment;
}

void SegmentAvatarGenerator::advance(StepResult& result) {
  const StageTimer timer(times_.denoise);
  newest_step_ = {.latent_frames = segments_->latent_frames, .timestep = sampler_->timestep()};
  const std::optional<at::Tensor> clean = sampler_->step();
  result.events.push_back(BlockProgress{segment_, 0, sampler_->steps_done(), plan_->settings.steps});
  if (!clean) return;
  newest_ = {.latents = *clean, .frames = {}, .skipped = sampler_->skipped()};
  sampler_.reset();
  phase_ = Phase::decode;
}

FrameBlock SegmentAvatarGenerator::decode_segment() {
  FrameBlock block;
  {
    const StageTimer timer(times_.decode);
    newest_.frames = parts_->decode(newest_.latents, plan_->settings.tiled_vae);
    const int64_t repeated = segment_ == 0 ? 0 : segments_->overlap,
                  fresh = std::min(newest_.frames.size(0) - repeated, total_frames_ - video_frames_);
    block = frame_block(newest_.frames.narrow(0, repeated, fresh), plan_->settings.fps);
  }
  block.first_video_frame = video_frames_;
  block.segment = segment_;
  block.latent_frames = segments_->latent_frames;
  block.prompt = prompt_;
  block.audio = track_.sound(video_frames_, video_frames_ + block.video_frames, track_.heard());
  block.times = std::exchange(times_, StageTimes{});
  video_frames_ += block.video_frames;
  ++segment_;
  phase_ = video_frames_ >= total_frames_ ? Phase::finished : Phase::re_encode;
  return block;
}

void SegmentAvatarGenerator::re_encode() {
  const StageTimer timer(times_.decode);
  const int64_t overlap = segments_->overlap;
  // Without a picture the avatar's own first frame is the one that the other segments see.
  if (!reference_.defined()) reference_ = newest_.latents.narrow(2, 0, 1).clone();
  const at::Tensor frames = newest_.frames.narrow(0, newest_.frames.size(0) - overlap, overlap);
  known_ = parts_->encode(frames.transpose(0, 1).unsqueeze(0), plan_->settings.tiled_vae);
  newest_.frames.reset();  // as large as all that the segment was made with
  phase_ = Phase::border;
}

}  // namespace rushes::generation
