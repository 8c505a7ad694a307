// Motion latents for a piece of speech: windows of fixed length, each solved from noise and joined to the one before by
// its last frames. Calls can be joined in the same way, so speech may arrive in pieces.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>

#include "rushes/models/imtalker/config.h"
#include "rushes/models/imtalker/flow_transformer.h"
#include "rushes/nn/ode.h"
#include "rushes/tensor/random.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::imtalker {

/// Features of one condition to what the transformer takes: Linear, LayerNorm, SiLU. Keys 0.*, 1.*.
class ConditionProjection {
 public:
  explicit ConditionProjection(const tensor::WeightMap& weights);
  /// x [.., in]. Returns [.., dim_condition].
  at::Tensor operator()(const at::Tensor& x) const;
  int64_t input_width() const { return linear_.weight().size(1); }
  int64_t output_width() const { return linear_.weight().size(0); }

 private:
  nn::Linear linear_;
  at::Tensor norm_weight_, norm_bias_;
};

struct MotionRequest {
  at::Tensor audio_features;  // [B, T, dim_audio] of the speech encoder, one row for each video frame
  at::Tensor reference;       // [B, dim_motion]: motion latent of the source picture
  // Wanted gaze [T', 2], head pose [T', 3] and camera [T', 3] of the video frames; cut to T, or followed by zero rows.
  // Without one the model gets zeros in place of its projection.
  std::optional<at::Tensor> gaze{}, pose{}, cam{};
};

struct MotionOptions {
  double guidance_scale = 3.0;
  int64_t time_points = 10;  // of the solver, both ends included: one more than its steps
  nn::OdeMethod method = nn::OdeMethod::euler;
};

struct Motion {
  at::Tensor latents;     // [B, T, dim_motion]
  MotionContext context;  // for the next call: exactly num_prev_frames frames, of earlier calls too if T is shorter
};

/// Any thread: no state.
class MotionGenerator {
 public:
  /// Keys fmt.*, {audio,gaze,pose,cam}_projection.*. The speech encoder is not part of it.
  MotionGenerator(const GeneratorConfig& config, const tensor::WeightMap& weights);

  /// `noise` is drawn once per window, [B, window_frames, dim_motion]. `past` is the context that the call before
  /// returned, or none at the beginning. Throws Error(invalid_argument) for shapes that do not fit.
  Motion sample(const MotionRequest& request, const MotionOptions& options, tensor::RandomStream& noise,
                const MotionContext* past = nullptr) const;
  /// The same for projected conditions and noise that is there: [B, whole windows, dim_motion], T rounded up to whole
  /// windows. reference [B, dim_motion].
  Motion sample(const Conditions& conditions, const at::Tensor& reference, const MotionOptions& options,
                const at::Tensor& noise, const MotionContext& past) const;
  /// Video frames of the windows that T frames take.
  int64_t whole_windows(int64_t T) const;

  /// Projected conditions of all T frames of a request.
  Conditions project(const MotionRequest& request) const;
  /// The context of a beginning: zeros.
  MotionContext no_past(int64_t batch) const;

  /// A sample's motion does not depend on those that share its batch: to the bit on CPUs, where that holds for narrow
  /// layers only; to rounding on other devices.
  bool samples_are_independent() const;

  const GeneratorConfig& config() const noexcept { return config_; }

 private:
  /// The noise [B, window_frames, dim_motion] of the window that begins with a frame.
  using Noise = std::function<at::Tensor(int64_t first_frame)>;
  Motion solve(const Conditions& conditions, const at::Tensor& reference, const MotionOptions& options,
               const Noise& noise, const MotionContext& past) const;
  at::Tensor project_optional(const ConditionProjection& projection, const std::optional<at::Tensor>& rows,
                              const char* name, const at::Tensor& like) const;

  GeneratorConfig config_;
  FlowTransformer transformer_;
  ConditionProjection audio_, gaze_, pose_, cam_;
};

}  // namespace rushes::imtalker
