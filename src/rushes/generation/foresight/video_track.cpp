#include "rushes/generation/foresight/video_track.h"

#include <algorithm>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/generation/first_image.h"
#include "rushes/generation/stage_timer.h"
#include "rushes/models/ltx/pixels.h"
#include "rushes/tensor/image_pixels.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

/// A stream of its own: the published code draws these maps from another generator than the latents.
constexpr uint64_t kMapStream = 0x6D61705F6E6F6973u;

std::shared_ptr<const uint8_t> bytes_of(const at::Tensor& frames) {
  const auto kept = std::make_shared<const at::Tensor>(frames.contiguous());
  return {kept, kept->const_data_ptr<uint8_t>()};
}

}  // namespace

VideoTrack::VideoTrack(std::shared_ptr<const ForesightParts> parts, std::shared_ptr<const ForesightPlan> plan,
                       std::optional<Image> picture, std::function<StageTimer::Clock::time_point()> now)
    : parts_(std::move(parts)),
      plan_(std::move(plan)),
      now_(std::move(now)),
      grid_(ltx::latent_grid(parts_->video()->vae->config(), plan_->latent_frames, plan_->height, plan_->width)),
      noise_(std::make_shared<tensor::RandomStream>(plan_->seed)),
      map_noise_(std::make_shared<tensor::RandomStream>(plan_->seed ^ kMapStream)),
      picture_(std::move(picture)) {}

void VideoTrack::step(std::vector<Event>& events) {
  switch (phase_) {
    case Phase::begin: return begin(events);
    case Phase::picture: return encode_picture();
    case Phase::first_frame: return show_first_frame(events);
    case Phase::prompt: return read_prompt();
    case Phase::denoise: return denoise(events);
    case Phase::preview: return show_preview(events);
    case Phase::decode: return decode(events);
    case Phase::finished: fail(ErrorCode::internal, "step() of a finished track");
  }
}

// ---- conditions -----------------------------------------------------------------------------------------------------

/// Told before the first look at what follows from it.
void VideoTrack::begin(std::vector<Event>& events) {
  events.push_back(PromptApplied{plan_->prompt, 0, 0, std::string(name(plan_->conditioning))});
  phase_ = picture_ ? Phase::picture : Phase::prompt;
}

void VideoTrack::encode_picture() {
  const StageTimer timer(times_.decode, now_);
  const ltx::Vae& vae = *parts_->video()->vae;
  resized_ = first_frame(tensor::borrowed_pixels(*picture_), plan_->height, plan_->width, plan_->settings.fit,
                         ltx::first_frame);
  if (plan_->conditioning != Conditioning::first_frame_insert && vae.has_encoder()) {
    const ltx::Posterior posterior = vae.encode(resized_.to(vae.device(), vae.dtype()), tiling());
    // Drawn before the noise of the video, and sampled, as published: a seed means the same there and here.
    const at::Tensor sample = posterior.sample(noise_->normal(posterior.mean.sizes()).to(posterior.mean.device()));
    first_frame_ = vae.normalise(sample);
  }
  phase_ = Phase::first_frame;
}

void VideoTrack::show_first_frame(std::vector<Event>& events) {
  const StageTimer timer(times_.decode, now_);
  if (first_frame_.defined()) {
    const ltx::Vae& vae = *parts_->video()->vae;
    // In the colours that the video will have.
    events.push_back(preview_of(ltx::frames(vae.decode_frames(decodable(first_frame_), tiling(), condition()))));
  } else {
    events.push_back(preview_of(ltx::frames(resized_)));
  }
  phase_ = Phase::prompt;
}

void VideoTrack::read_prompt() {
  const StageTimer timer(times_.text, now_);
  const VideoParts& video = *parts_->video();
  const ForesightSettings& settings = plan_->settings;
  const bool adapted = plan_->conditioning == Conditioning::hybrid_encoder;
  std::vector<ltx::TextContext> contexts;
  // Both halves of a batch have equally many tokens, as published.
  if (settings.guided())
    contexts.push_back(parts_->context(settings.negative_prompt,
                                       adapted ? parts_->adapter()->adapter->config().num_queries : kPromptTokens));
  contexts.push_back(adapted ? parts_->adapted(*picture_, settings.picture_pixels)
                             : parts_->context(plan_->prompt, kPromptTokens));
  picture_.reset();
  const int64_t C = video.transformer->config().in_channels;
  const at::Tensor noise = noise_->normal({1, C, grid_.latent_frames, grid_.height, grid_.width});
  sampler_.emplace(video.transformer, video.scheduler, video.vae->config(),
                   ltx::VideoPlan{.grid = grid_,
                                  .frame_rate = plan_->frame_rate(),
                                  .steps = settings.steps,
                                  .guidance = {.scale = settings.guidance_scale, .rescale = settings.guidance_rescale}},
                   ltx::joined(contexts), noise, first_frame_);
  phase_ = Phase::denoise;
}

// ---- denoising ------------------------------------------------------------------------------------------------------

void VideoTrack::denoise(std::vector<Event>& events) {
  const StageTimer timer(times_.denoise, now_);
  sampler_->step();
  events.push_back(BlockProgress{0, 0, sampler_->done(), sampler_->steps()});
  const int64_t interval = plan_->settings.previews;
  if (sampler_->is_finished())
    begin_decoding();
  else if (interval > 0 && sampler_->done() % interval == 0)
    phase_ = Phase::preview;
}

void VideoTrack::show_preview(std::vector<Event>& events) {
  const StageTimer timer(times_.decode, now_);
  const ltx::Vae& vae = *parts_->video()->vae;
  const at::Tensor video = vae.decode_frames(decodable(sampler_->preview()), tiling(), condition());
  events.push_back(preview_of(ltx::frames(video)));
  phase_ = Phase::denoise;
}

PreviewFrames VideoTrack::preview_of(const at::Tensor& frames) const {
  PreviewFrames preview{.rgb = bytes_of(frames),
                        .video_frames = std::min(frames.size(0), plan_->video_frames),
                        .height = frames.size(1),
                        .width = frames.size(2),
                        .steps = plan_->settings.steps};
  if (sampler_) preview.step = sampler_->done();
  return preview;
}

// ---- decoding -------------------------------------------------------------------------------------------------------

/// Rounded before they are decoded, as published.
at::Tensor VideoTrack::decodable(const at::Tensor& latents) const {
  const ltx::Vae& vae = *parts_->video()->vae;
  return vae.denormalise(latents).to(vae.dtype());
}

ltx::DecodeCondition VideoTrack::condition() const {
  return {.timestep = plan_->settings.decode_timestep, .noise = [stream = map_noise_](int64_t height, int64_t width) {
            return stream->normal({height, width});
          }};
}

ltx::Tiling VideoTrack::tiling() const {
  ltx::Tiling tiling;
  tiling.spatial = plan_->settings.spatial_tiles;
  return tiling;
}

void VideoTrack::begin_decoding() {
  const ltx::Vae& vae = *parts_->video()->vae;
  at::Tensor latents = decodable(sampler_->latents());
  if (const double left = plan_->settings.decode_timestep; vae.config().timestep_conditioning && left > 0)
    latents = (1 - left) * latents + left * noise_->normal(latents.sizes()).to(latents.options());
  sampler_.reset();  // its keys of the text are not needed any more
  if (plan_->settings.temporal_tiles) {
    ltx::Tiling pieces = tiling();
    pieces.framewise = true;
    tiles_.emplace(vae, latents, pieces, condition());
  } else {
    clean_ = latents;
  }
  phase_ = Phase::decode;
}

void VideoTrack::decode(std::vector<Event>& events) {
  at::Tensor video;
  {
    const StageTimer timer(times_.decode, now_);
    video = tiles_ ? tiles_->next() : parts_->video()->vae->decode_frames(clean_, tiling(), condition());
  }
  deliver(video, events);
  if (!tiles_ || tiles_->is_finished() || video_frames_ == plan_->video_frames) phase_ = Phase::finished;
}

void VideoTrack::deliver(const at::Tensor& decoded, std::vector<Event>& events) {
  at::Tensor video = decoded;
  if (plan_->conditioning == Conditioning::first_frame_insert && video_frames_ == 0)
    // In front of the others; behind them one frame more falls away.
    video = at::cat({resized_.to(video.options()), video}, 2);
  const at::Tensor frames = ltx::frames(video);
  const int64_t count = std::min(frames.size(0), plan_->video_frames - video_frames_);
  FrameBlock block{.rgb = bytes_of(frames),
                   .video_frames = count,
                   .height = frames.size(1),
                   .width = frames.size(2),
                   .fps = plan_->fps,
                   .first_video_frame = video_frames_,
                   .segment = 0,
                   .block = blocks_++,
                   .latent_frames = grid_.latent_frames,
                   .prompt = plan_->prompt,
                   .times = std::exchange(times_, StageTimes{})};
  video_frames_ += count;
  events.push_back(std::move(block));
}

int64_t VideoTrack::bytes() const {
  int64_t total = 0;
  const at::Tensor latents = sampler_ ? sampler_->latents() : at::Tensor();
  for (const at::Tensor* tensor : {&resized_, &first_frame_, &latents, &clean_})
    if (tensor->defined()) total += static_cast<int64_t>(tensor->nbytes());
  return total;
}

}  // namespace rushes::generation
