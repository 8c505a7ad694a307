// The flow-matching transformer that turns noise into motion latents, conditioned frame by frame on speech, gaze, head
// pose and camera, and on the end of the window before. Source: arXiv:2511.22167; blocks: arXiv:2212.09748.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "rushes/models/imtalker/config.h"
#include "rushes/nn/linear.h"
#include "rushes/nn/rope_halves.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::imtalker {

/// Projected conditions of T video frames, each [B, T, dim_condition].
struct Conditions {
  at::Tensor audio, gaze, pose, cam;

  /// Frames [start, start + length) of each.
  Conditions narrow(int64_t start, int64_t length) const;
  /// Followed by `next` in time.
  Conditions followed_by(const Conditions& next) const;
  /// The last `length` frames of each.
  Conditions last(int64_t length) const { return narrow(audio.size(1) - length, length); }
  /// Lengthened by repeating the last frame.
  Conditions padded_to(int64_t length) const;
  /// Sample `b` of the batch, B = 1.
  Conditions sample(int64_t b) const;
  /// Batches, one behind the other.
  static Conditions batch(const std::vector<Conditions>& parts);
};

/// Motion of p past frames and their conditions: what a window sees of what was before.
struct MotionContext {
  at::Tensor motion;  // [B, p, dim_motion]
  Conditions conditions;

  MotionContext sample(int64_t b) const;
  static MotionContext batch(const std::vector<MotionContext>& parts);
};

/// Embedding of the flow time: [cos | sin] of t e^(-ln(10000) i / half), then a small MLP. Any thread: no state.
class TimeEmbedding {
 public:
  TimeEmbedding() = default;
  /// Keys mlp.0.*, mlp.2.*.
  explicit TimeEmbedding(const tensor::WeightMap& weights);
  /// t [B] float32, in [0, 1], not scaled. Returns [B, dim_hidden], dtype of the weights.
  at::Tensor forward(const at::Tensor& t) const;

 private:
  nn::Linear in_, out_;
};

/// Any thread: no state.
class FlowBlock {
 public:
  /// Keys attn.{qkv,proj}.*, mlp.{fc1,fc2}.*, adaLN_modulation.1.*.
  FlowBlock(const tensor::WeightMap& weights, int64_t num_heads);
  /// x, c [B, L, C]: the frames and their conditions. Returns [B, L, C].
  at::Tensor forward(const at::Tensor& x, const at::Tensor& c, const nn::RopeHalves& rope) const;
  int64_t head_size() const { return proj_.weight().size(0) / num_heads_; }

 private:
  int64_t num_heads_;
  nn::Linear modulation_, qkv_, proj_, fc1_, fc2_;
};

/// Any thread: no state.
class FlowTransformer {
 public:
  /// Keys t_embedder.*, x_embedder.proj.*, c_embedder.*, blocks.{i}.*, decoder.* (rotary_emb.inv_freq is derived).
  FlowTransformer(const GeneratorConfig& config, const tensor::WeightMap& weights);

  /// Velocity at flow time t of all frames, those of the past first: [B, p + n, dim_motion].
  ///   x          [B, n, dim_motion]: noisy motion
  ///   current    conditions of its n frames
  ///   reference  [B, dim_motion]: motion latent of the source picture
  at::Tensor forward(float t, const at::Tensor& x, const Conditions& current, const MotionContext& past,
                     const at::Tensor& reference) const;

  /// Classifier-free guidance by speech (arXiv:2207.12598): v0 + scale (v - v0), where v0 knows nothing of the current
  /// speech; all else, the past speech too, stays. scale 1 asks the model once, others a batch of two.
  at::Tensor guided(float t, const at::Tensor& x, const Conditions& current, const MotionContext& past,
                    const at::Tensor& reference, double scale) const;

  /// Dtype and device of the weights.
  at::TensorOptions options() const { return final_.weight().options(); }

 private:
  TimeEmbedding time_;
  nn::Linear x_embedder_, c_embedder_, final_modulation_, final_;
  std::vector<FlowBlock> blocks_;
};

}  // namespace rushes::imtalker
