#include "rushes/generation/wan/generator.h"

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/generation/stage_timer.h"
#include "rushes/models/wan/pixels.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

SamplingOptions sampling_of(const WanPlan& plan) {
  return {.denoising_steps = plan.denoising_steps,
          .context_noise = plan.context_noise,
          .timestep_shift = plan.timestep_shift,
          .train_timesteps = plan.train_timesteps,
          .solver = plan.solver,
          .solver_steps = plan.solver_steps,
          .guidance_scale = plan.guidance_scale};
}

SegmentPipeline::Shape shape_of(const WanParts& parts, const WanPlan& plan) {
  const int64_t stride = parts.decoder->spatial_stride();
  return {.batch = 1,
          .channels = parts.decoder->latent_channels(),
          .height = plan.height / stride,
          .width = plan.width / stride,
          .capacity_latent_frames = plan.segment_latent_frames};
}

}  // namespace

WanGenerator::WanGenerator(std::shared_ptr<const WanParts> parts, WanPlan plan, std::unique_ptr<NoiseSource> noise,
                           at::Tensor image, Options options)
    : parts_(std::move(parts)),
      plan_(std::move(plan)),
      options_(options),
      noise_(std::move(noise)),
      pipeline_(parts_->transformer, sampling_of(plan_), plan_.layout, shape_of(*parts_, plan_)),
      decoder_(parts_->decoder->decoder()),
      phase_(plan_.image ? Phase::image : Phase::border),
      image_(std::move(image)) {
  RUSHES_ASSERT(plan_.image == image_.defined());
}

int64_t WanGenerator::working_bytes(const WanParts& parts, const WanPlan& plan) {
  const wan::CausalTransformer& transformer = *parts.transformer;
  if (!transformer.core().options().device().is_cpu()) return 0;
  const SegmentPipeline::Shape shape = shape_of(parts, plan);
  const int64_t frames = std::min(plan.layout.block_latent_frames, plan.segment_latent_frames);
  const int64_t denoising = transformer.working_bytes({.height = shape.height,
                                                       .width = shape.width,
                                                       .capacity_latent_frames = shape.capacity_latent_frames,
                                                       .batch = shape.batch},
                                                      frames);
  const int64_t prompts = plan.denoising_steps.empty() ? 2 : 1;
  return prompts * denoising + parts.decoder->decoding_bytes(frames, plan.height, plan.width);
}

WanGenerator::WanGenerator(const WanGenerator& other)
    : parts_(other.parts_),
      plan_(other.plan_),
      options_(other.options_),
      noise_(other.noise_->clone()),
      pipeline_(other.pipeline_),
      decoder_(other.decoder_->clone()),
      phase_(other.phase_),
      image_(other.image_),
      given_(other.given_),
      segment_(other.segment_),
      segment_begun_(other.segment_begun_),
      live_prompt_(other.live_prompt_),
      prompt_(other.prompt_),
      context_(other.context_),
      newest_(other.at_block_border() ? BlockTensors() : other.newest_),  // who forks there only goes on
      newest_step_(other.newest_step_),
      video_frames_(other.video_frames_),
      times_(other.times_) {}

std::unique_ptr<Generator> WanGenerator::fork() const {
  const c10::InferenceMode inference;
  return std::unique_ptr<Generator>(new WanGenerator(*this));
}

int64_t WanGenerator::bytes() const {
  int64_t total = pipeline_.bytes() + decoder_->bytes();
  for (const at::Tensor* tensor : {&image_, &given_, &newest_.latents, &newest_.frames})
    if (tensor->defined()) total += static_cast<int64_t>(tensor->nbytes());
  return total;
}

StepResult WanGenerator::step(const Inbox& inbox) {
  const c10::InferenceMode inference;
  StepResult result;
  if (inbox.prompt) live_prompt_ = inbox.prompt;
  switch (phase_) {
    case Phase::image: encode_image(); break;
    case Phase::border:
      if (take_over_prompt(result)) break;
      if (!segment_begun_) begin_segment();
      [[fallthrough]];
    case Phase::block: advance(result); break;
    case Phase::decode:
      result.events.push_back(decode_block());
      end_block();
      break;
    case Phase::rerun:
      pipeline_.step(context_, *noise_);
      phase_ = Phase::border;
      break;
    case Phase::finished: fail(ErrorCode::internal, "step() of a finished generator");
  }
  if (phase_ == Phase::finished) result.outcome = StepOutcome::finished;
  return result;
}

void WanGenerator::encode_image() {
  const StageTimer timer(times_.decode);
  given_ = parts_->encoder->encode(image_);
  image_.reset();
  phase_ = Phase::border;
}

/// True if a prompt was encoded, which is a step of its own.
bool WanGenerator::take_over_prompt(StepResult& result) {
  const std::string& wanted =
      live_prompt_ ? *live_prompt_ : plan_.prompts[static_cast<size_t>(segment_) % plan_.prompts.size()];
  if (context_.positive != nullptr && wanted == prompt_) return false;
  const StageTimer timer(times_.text);
  // Only what cross-attention reads changes; the cache of the blocks before stays, so the picture goes on.
  context_.positive = parts_->context(wanted);
  if (plan_.denoising_steps.empty() && context_.negative == nullptr)
    context_.negative = parts_->context(plan_.negative_prompt);
  prompt_ = wanted;
  result.events.push_back(PromptApplied{prompt_, segment_, segment_begun_ ? pipeline_.block() : 0});
  return true;
}

void WanGenerator::begin_segment() {
  pipeline_.begin(segment_, given_, plan_.segment_latent_frames, *noise_);
  // Without overlap the next segment has nothing to do with the one before: a cut, not one stream.
  if (segment_ > 0 && !given_.defined()) decoder_ = parts_->decoder->decoder();
  segment_begun_ = true;
}

void WanGenerator::advance(StepResult& result) {
  const StageTimer timer(times_.denoise);
  const bool denoises = pipeline_.next() == Work::denoise;
  if (denoises)
    newest_step_ = {.latent_frames = pipeline_.blocks()[static_cast<size_t>(pipeline_.block())],
                    .timestep = pipeline_.timestep()};
  phase_ = Phase::block;
  const std::optional<at::Tensor> clean = pipeline_.step(context_, *noise_);
  if (denoises)
    result.events.push_back(
        BlockProgress{segment_, pipeline_.block(), pipeline_.steps_done(), plan_.steps_per_block()});
  if (!clean) return;
  newest_.latents = *clean;
  phase_ = Phase::decode;
}

FrameBlock WanGenerator::decode_block() {
  const bool with_image = plan_.image && segment_ == 0 && pipeline_.block() == 0;
  FrameBlock block;
  {
    const StageTimer timer(times_.decode);
    if (options_.decode == DecodeMode::restart_every_block) decoder_ = parts_->decoder->decoder();
    // The given image is a frame of the video too.
    at::Tensor latents = newest_.latents[0];
    if (with_image) latents = at::cat({given_[0].to(latents.device(), at::kFloat), latents});
    newest_.frames = decoder_->decode(latents);
    const at::Tensor rgb = wan::frames_to_uint8(newest_.frames);
    block.latent_frames = latents.size(0);
    block.video_frames = rgb.size(0);
    block.height = rgb.size(1);
    block.width = rgb.size(2);
    block.rgb = std::shared_ptr<const uint8_t>(std::make_shared<at::Tensor>(rgb), rgb.const_data_ptr<uint8_t>());
  }
  if (plan_.video_frames && options_.decode == DecodeMode::continuous)
    block.video_frames = std::min(block.video_frames, *plan_.video_frames - video_frames_);
  block.fps = plan_.fps;
  block.first_video_frame = video_frames_;
  block.segment = segment_;
  block.block = pipeline_.block();
  block.prompt = prompt_;
  block.times = std::exchange(times_, StageTimes{});
  video_frames_ += block.video_frames;
  return block;
}

/// What follows a decoded block: its re-run, the next segment, or nothing.
void WanGenerator::end_block() {
  const bool continuous = options_.decode == DecodeMode::continuous;
  const bool last_of_segment = pipeline_.block() + 1 == static_cast<int64_t>(pipeline_.blocks().size());
  const bool enough = continuous && plan_.video_frames && video_frames_ >= *plan_.video_frames;
  if (!last_of_segment && !enough) {
    phase_ = Phase::rerun;
    return;
  }
  if (options_.rerun_last_block) {
    pipeline_.step(context_, *noise_);
  } else {
    pipeline_.skip_rerun();
  }
  if (enough || segment_ + 1 == plan_.segments) {
    phase_ = Phase::finished;
    return;
  }
  const at::Tensor latents = pipeline_.latents();
  const int64_t overlap = plan_.overlap_latent_frames;
  given_ = overlap > 0 ? latents.narrow(1, latents.size(1) - overlap, overlap).clone() : at::Tensor();
  ++segment_;
  segment_begun_ = false;
  phase_ = Phase::border;
}

}  // namespace rushes::generation
