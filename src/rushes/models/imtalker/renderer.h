// The whole renderer: a source picture once, then one motion latent per video frame to pictures of that person.
#pragma once
#include <ATen/core/Tensor.h>

#include "rushes/models/imtalker/config.h"
#include "rushes/models/imtalker/encoders.h"
#include "rushes/models/imtalker/frame_decoder.h"
#include "rushes/models/imtalker/motion_decoder.h"
#include "rushes/models/imtalker/motion_transfer.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::imtalker {

/// All that a source picture contributes to its frames; belongs to a session and does not change.
struct Portrait {
  at::Tensor identity;  // [1, dim_app]
  at::Tensor motion;    // [1, dim_motion], before adaptation: the reference of the generator
  MotionTransfer::Source source;
};

/// Any thread: no state.
class Renderer {
 public:
  /// Keys dense_feature_encoder.*, latent_token_encoder.*, adapt.*, latent_token_decoder.*, imt.*, frame_decoder.*.
  Renderer(const RendererConfig& config, const tensor::WeightMap& weights);

  /// picture [1, 3, S, S] in [0, 1].
  Portrait portrait(const at::Tensor& picture) const;
  /// Motion latents of pictures [B, 3, S, S] in [0, 1]: what drives a frame in video-driven use. Returns [B,
  /// dim_motion].
  at::Tensor motion(const at::Tensor& pictures) const { return motion_encoder_.forward(pictures); }
  /// motion [B, dim_motion], before adaptation. Returns frames [B, 3, S, S] in (0, 1), float32, each as if rendered
  /// alone. On the CPU without gradients the cores share the frames, which costs less than to meet at the end of each
  /// operator.
  at::Tensor render(const at::Tensor& motion, const Portrait& portrait) const;

  const RendererConfig& config() const noexcept { return config_; }
  /// What frames are computed with.
  at::ScalarType dtype() const { return frame_decoder_.dtype(); }

 private:
  at::Tensor render_together(const at::Tensor& motion, const Portrait& portrait) const;

  RendererConfig config_;
  AppearanceEncoder appearance_encoder_;
  MotionEncoder motion_encoder_;
  IdentityAdaptation adapt_;
  MotionDecoder motion_decoder_;
  MotionTransfer transfer_;
  FrameDecoder frame_decoder_;
};

}  // namespace rushes::imtalker
