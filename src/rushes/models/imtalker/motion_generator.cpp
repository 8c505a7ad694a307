#include "rushes/models/imtalker/motion_generator.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/nn/norm.h"
#include "rushes/tensor/ops.h"

namespace rushes::imtalker {
namespace {

/// The last `length` frames of a context followed by new frames. Shifting keeps the context full after short pieces.
MotionContext shifted(const MotionContext& past, const at::Tensor& motion, const Conditions& conditions,
                      int64_t length) {
  const at::Tensor all = at::cat({past.motion, motion}, 1);
  return {all.narrow(1, all.size(1) - length, length), past.conditions.followed_by(conditions).last(length)};
}

}  // namespace

ConditionProjection::ConditionProjection(const tensor::WeightMap& weights)
    : linear_(weights, "0", -1, -1),
      norm_weight_(weights.at("1.weight", {linear_.weight().size(0)})),
      norm_bias_(weights.at("1.bias", {linear_.weight().size(0)})) {}

at::Tensor ConditionProjection::operator()(const at::Tensor& x) const {
  return at::silu(nn::layer_norm(linear_(x), norm_weight_, norm_bias_, 1e-5));
}

MotionGenerator::MotionGenerator(const GeneratorConfig& config, const tensor::WeightMap& weights)
    : config_(config),
      transformer_(config, weights.under("fmt.")),
      audio_(weights.under("audio_projection.")),
      gaze_(weights.under("gaze_projection.")),
      pose_(weights.under("pose_projection.")),
      cam_(weights.under("cam_projection.")) {
  require(config.window_frames() > 0 && config.num_prev_frames > 0, ErrorCode::invalid_argument,
          "motion generator: windows of {} and contexts of {} video frames; both must be at least 1",
          config.window_frames(), config.num_prev_frames);
  require(audio_.input_width() == config.dim_audio && audio_.output_width() == config.dim_condition,
          ErrorCode::corrupt_data, "motion generator: audio_projection maps {} to {}, expected {} to {}",
          audio_.input_width(), audio_.output_width(), config.dim_audio, config.dim_condition);
}

at::Tensor MotionGenerator::project_optional(const ConditionProjection& projection,
                                             const std::optional<at::Tensor>& rows, const char* name,
                                             const at::Tensor& like) const {
  if (!rows) return at::zeros_like(like);
  require(rows->dim() == 2 && rows->size(1) == projection.input_width(), ErrorCode::invalid_argument,
          "{} has shape [{}], expected [video frames, {}]", name, fmt::join(rows->sizes(), ", "),
          projection.input_width());
  const int64_t T = like.size(1), given = std::min(rows->size(0), T);
  const at::Tensor fitted = at::constant_pad_nd(rows->narrow(0, 0, given), {0, 0, 0, T - given});
  return projection(fitted.to(like.options())).expand_as(like);
}

bool MotionGenerator::samples_are_independent() const {
  const int64_t C = config_.dim_hidden;
  const auto mlp = static_cast<int64_t>(static_cast<double>(C) * config_.mlp_ratio);
  return !transformer_.options().device().is_cpu() ||
         (transformer_.options().dtype() == at::kFloat && nn::Linear::is_narrow(6 * C, C) &&
          nn::Linear::is_narrow(mlp, C) && nn::Linear::is_narrow(C, mlp));
}

Conditions MotionGenerator::project(const MotionRequest& request) const {
  const at::Tensor& features = request.audio_features;
  require(features.dim() == 3 && features.size(1) > 0 && features.size(2) == config_.dim_audio,
          ErrorCode::invalid_argument, "speech features have shape [{}], expected [B, T, {}] with T > 0",
          fmt::join(features.sizes(), ", "), config_.dim_audio);
  const at::Tensor audio = audio_(features);
  return {audio, project_optional(gaze_, request.gaze, "gaze", audio),
          project_optional(pose_, request.pose, "pose", audio), project_optional(cam_, request.cam, "cam", audio)};
}

MotionContext MotionGenerator::no_past(int64_t batch) const {
  const int64_t p = config_.num_prev_frames;
  const at::TensorOptions like = transformer_.options();
  const at::Tensor none = at::zeros({batch, p, config_.dim_condition}, like);
  return {at::zeros({batch, p, config_.dim_motion}, like), {none, none, none, none}};
}

Motion MotionGenerator::sample(const MotionRequest& request, const MotionOptions& options, tensor::RandomStream& noise,
                               const MotionContext* past) const {
  const Conditions conditions = project(request);
  const int64_t B = conditions.audio.size(0);
  const auto draw = [&](int64_t) { return noise.normal({B, config_.window_frames(), config_.dim_motion}); };
  return solve(conditions, request.reference, options, draw, past != nullptr ? *past : no_past(B));
}

int64_t MotionGenerator::whole_windows(int64_t T) const {
  const int64_t n = config_.window_frames();
  return (T + n - 1) / n * n;
}

Motion MotionGenerator::sample(const Conditions& conditions, const at::Tensor& reference, const MotionOptions& options,
                               const at::Tensor& noise, const MotionContext& past) const {
  const int64_t B = conditions.audio.size(0), frames = whole_windows(conditions.audio.size(1));
  require(noise.sizes() == at::IntArrayRef({B, frames, config_.dim_motion}), ErrorCode::invalid_argument,
          "the noise has shape [{}], expected [{}, {}, {}]", fmt::join(noise.sizes(), ", "), B, frames,
          config_.dim_motion);
  const auto of_window = [&](int64_t first_frame) { return noise.narrow(1, first_frame, config_.window_frames()); };
  return solve(conditions, reference, options, of_window, past);
}

Motion MotionGenerator::solve(const Conditions& conditions, const at::Tensor& reference, const MotionOptions& options,
                              const Noise& noise, const MotionContext& before) const {
  const int64_t B = conditions.audio.size(0), T = conditions.audio.size(1), n = config_.window_frames(),
                p = config_.num_prev_frames;
  require(reference.sizes() == at::IntArrayRef({B, config_.dim_motion}), ErrorCode::invalid_argument,
          "the reference motion has shape [{}], expected [{}, {}]", fmt::join(reference.sizes(), ", "), B,
          config_.dim_motion);
  require(before.motion.sizes() == at::IntArrayRef({B, p, config_.dim_motion}), ErrorCode::invalid_argument,
          "the context has motion of shape [{}], expected [{}, {}, {}]", fmt::join(before.motion.sizes(), ", "), B, p,
          config_.dim_motion);
  const std::vector<float> times = nn::unit_time_grid(options.time_points);

  std::vector<at::Tensor> windows;
  MotionContext seen = before;
  for (int64_t start = 0; start < T; start += n) {
    const Conditions current = conditions.narrow(start, std::min(n, T - start)).padded_to(n);
    const auto velocity = [&](float t, const at::Tensor& x) {
      return transformer_.guided(t, x, current, seen, reference, options.guidance_scale).narrow(1, p, n);
    };
    windows.push_back(nn::integrate(velocity, noise(start).to(reference.options()), times, options.method));
    seen = shifted(seen, windows.back(), current, p);  // padded conditions; the next call gets the unpadded ones
  }
  Motion motion;
  motion.latents = at::cat(windows, 1).narrow(1, 0, T);
  motion.context = shifted(before, motion.latents, conditions, p);
  return motion;
}

}  // namespace rushes::imtalker
