#include "rushes/generation/omniavatar/segment_generator.h"

#include <algorithm>
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
      shape_(omniavatar::segments_of_speech(0, rule_of(*plan_))),
      frame_samples_(static_cast<int64_t>(static_cast<double>(kAvatarSpeechHz) / plan_->settings.fps)),
      track_(kAvatarSpeechHz, plan_->settings.fps, kFramesBeforeSpeech),
      total_frames_(plan_->video_frames) {
  if (plan_->settings.silent) track_.end();
}

int64_t SegmentAvatarGenerator::working_bytes(const OmniAvatarParts& parts, const OmniAvatarPlan& plan) {
  const int64_t frames = omniavatar::segments_of_speech(0, rule_of(plan)).latent_frames;
  const int64_t stride = parts.autoencoder->spatial_stride();
  const int64_t denoising = parts.bidirectional->working_bytes(sampler_options(parts, plan.settings).guidance.passes(),
                                                               frames, plan.height / stride, plan.width / stride);
  // A segment is decoded in one call; in tiles it is less than that.
  return std::max(denoising, parts.autoencoder->decoding_bytes(frames, plan.height, plan.width));
}

SegmentAvatarGenerator::SegmentAvatarGenerator(const SegmentAvatarGenerator& other)
    : parts_(other.parts_),
      plan_(other.plan_),
      noise_(other.noise_->clone()),
      phase_(other.phase_),
      picture_(other.picture_),
      reference_(other.reference_),
      known_(other.known_),
      shape_(other.shape_),
      frame_samples_(other.frame_samples_),
      track_(other.track_),
      utterances_(other.utterances_),
      clips_(other.clips_),
      clip_begin_(other.clip_begin_),
      silent_(other.silent_),
      features_(other.features_),
      features_begin_(other.features_begin_),
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
  utterances_.tell(video_frames_, result);
  if (phase_ == Phase::finished) {
    utterances_.tell_all(result);
    result.outcome = StepOutcome::finished;
  }
  return result;
}

// ---- speech ----

void SegmentAvatarGenerator::take(const Inbox& inbox) {
  if (inbox.prompt) live_prompt_ = inbox.prompt;
  const auto hear = [&](std::span<const float> samples) {
    track_.hear(samples);
    require(track_.heard() - clip_begin_ <= kMostClipSeconds * kAvatarSpeechHz, ErrorCode::too_large,
            "speech of more than {} s without the end of an utterance cannot be heard as one clip, as this model does; "
            "give less, or end the utterance earlier",
            kMostClipSeconds);
  };
  hear_utterances(inbox, hear, [&] { end_utterance(); });
  if (inbox.end_of_speech) track_.end();
}

int64_t SegmentAvatarGenerator::whole_segments(int64_t speech_frames) const {
  const int64_t first = shape_.new_speech_frames(0), each = shape_.new_speech_frames(1);
  return first + (std::max<int64_t>(0, speech_frames - first) + each - 1) / each * each;
}

void SegmentAvatarGenerator::end_utterance() {
  const int64_t frames = track_.frames(track_.heard());
  utterances_.add(frames + kFramesBeforeSpeech);
  if (track_.heard() == clip_begin_) return;  // nothing was said since
  const Clip clip{clip_begin_, track_.heard(), whole_segments(frames) * frame_samples_};
  track_.pad(clip.padded);
  clip_begin_ = clip.padded;
  clips_.push_back(clip);
}

void SegmentAvatarGenerator::at_border(StepResult& result) {
  const int64_t next = segment_ * (shape_.video_frames - shape_.overlap);  // video frame that the next one begins with
  const bool is_heard =
      silent_ || (features_.defined() && features_begin_ + features_.size(1) >= next + shape_.video_frames);
  if (is_heard) {
    if (!take_over_prompt(result)) begin_segment();
  } else if (!clips_.empty()) {
    hear(clips_.front());
    clips_.pop_front();
  } else if (!track_.ended()) {
    result.outcome = StepOutcome::needs_input;
  } else if (track_.heard() == 0) {
    begin_silence();
  } else {
    const Clip rest = rest_of_speech();
    if (rest.padded > rest.first)
      hear(rest);
    else
      phase_ = Phase::finished;
  }
}

/// With it the length of the video is known. Where a length was asked for, silence follows speech that is shorter.
SegmentAvatarGenerator::Clip SegmentAvatarGenerator::rest_of_speech() {
  const int64_t before = clip_begin_ / frame_samples_;
  int64_t frames = track_.frames(track_.heard());
  if (plan_->video_frames) frames = std::max(before, *plan_->video_frames - kFramesBeforeSpeech);
  const int64_t whole = features_.defined() && frames == before ? before : whole_segments(frames);
  if (!total_frames_) total_frames_ = kFramesBeforeSpeech + (plan_->settings.reference_lengths ? whole : frames);
  const Clip rest{clip_begin_, std::min(track_.heard(), std::max(clip_begin_, frames * frame_samples_)),
                  whole * frame_samples_};
  clip_begin_ = rest.padded;
  return rest;
}

void SegmentAvatarGenerator::hear(const Clip& clip) {
  const StageTimer timer(times_.text);
  const int64_t frames = (clip.padded - clip.first) / frame_samples_;
  const at::Tensor heard =
      clip.end > clip.first
          ? clip_features(*parts_->speech, track_.samples(clip.first, clip.end), clip.padded - clip.first, frames)
          : at::zeros({1, frames, parts_->config().speech.feature_dim}, at::kFloat);
  // Video frame 0 is the picture: zeros.
  features_ = features_.defined() ? at::cat({features_, heard}, 1)
                                  : at::constant_pad_nd(heard, {0, 0, kFramesBeforeSpeech, 0}, 0);
}

void SegmentAvatarGenerator::begin_silence() {
  silent_ = true;
  if (!total_frames_ && !plan_->endless) total_frames_ = kSilentVideoFrames;
}

// ---- segments ----

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

/// The frames that a segment shares with the one before have the same features in both. What no later one needs is
/// forgotten.
wan::FrameAdditions SegmentAvatarGenerator::speech_of_segment() {
  const omniavatar::SpeechConfig& speech = parts_->config().speech;
  const int64_t first = segment_ * (shape_.video_frames - shape_.overlap), count = shape_.video_frames;
  if (silent_)
    return parts_->additions(at::zeros({1, speech.group * shape_.latent_frames, speech.feature_dim}, at::kFloat));
  features_ = features_.slice(1, first - features_begin_).clone();
  features_begin_ = first;
  return parts_->additions(omniavatar::with_first_group_filled(features_.narrow(1, 0, count), speech.group));
}

void SegmentAvatarGenerator::begin_segment() {
  const StageTimer timer(times_.text);
  const omniavatar::SpeechConfig& speech = parts_->config().speech;
  const int64_t F = shape_.latent_frames, C = parts_->config().wan.out_dim,
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
  newest_step_ = {.latent_frames = shape_.latent_frames, .timestep = sampler_->timestep()};
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
    const int64_t repeated = segment_ == 0 ? 0 : shape_.overlap, made = newest_.frames.size(0) - repeated,
                  fresh = total_frames_ ? std::min(made, *total_frames_ - video_frames_) : made;
    block = frame_block(newest_.frames.narrow(0, repeated, fresh), plan_->settings.fps);
  }
  block.first_video_frame = video_frames_;
  block.segment = segment_;
  block.latent_frames = shape_.latent_frames;
  block.prompt = prompt_;
  block.audio = track_.sound(video_frames_, video_frames_ + block.video_frames, track_.heard());
  block.times = std::exchange(times_, StageTimes{});
  video_frames_ += block.video_frames;
  ++segment_;
  track_.forget_before((video_frames_ - kFramesBeforeSpeech) * frame_samples_);
  phase_ = is_over() ? Phase::finished : Phase::re_encode;
  return block;
}

void SegmentAvatarGenerator::re_encode() {
  const StageTimer timer(times_.decode);
  const int64_t overlap = shape_.overlap;
  // Without a picture the avatar's own first frame is the one that the other segments see.
  if (!reference_.defined()) reference_ = newest_.latents.narrow(2, 0, 1).clone();
  const at::Tensor frames = newest_.frames.narrow(0, newest_.frames.size(0) - overlap, overlap);
  known_ = parts_->encode(frames.transpose(0, 1).unsqueeze(0), plan_->settings.tiled_vae);
  newest_.frames.reset();  // as large as all that the segment was made with
  phase_ = Phase::border;
}

}  // namespace rushes::generation
