// The motion diffusion model: what a head does in a window of frames, from conditions for each of them.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/models/ditto/lmdm_layers.h"
#include "rushes/nn/linear.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::ditto {

/// The latent motion diffusion model of Ditto (arXiv:2411.19509, section 3.2), with FiLM layers (arXiv:1709.07871) as
/// in EDGE (arXiv:2211.10658). Dimensions are those of the weights, but for the number of heads. Any thread: no state.
///   T frames of a window, N motion numbers, A condition numbers, D width of the model.
/// Both branches of guidance, with and without conditions, go as one batch. What no step changes is computed once: for
/// a window, and for a step of the schedule.
class Lmdm {
 public:
  /// Throws Error(corrupt_data) naming a missing or misshapen key.
  Lmdm(const tensor::WeightMap& weights, int64_t heads);

  /// What all steps of a window share.
  struct Window {
    at::Tensor frame;                   // [B, 1 or T, D], the condition frame's part of the input projection
    at::Tensor hidden;                  // [2 B, D]: what conditions say to FiLM, both branches
    std::vector<KeysAndValues> layers;  // of the condition tokens, [2 B, T, heads, D / heads]
  };
  /// cond [B, T, A]; cond_frame [B, N], or [B, T, N + 1] where the model takes a frame for each one
  /// (takes_condition_frames()).
  Window window(const at::Tensor& cond, const at::Tensor& cond_frame) const;

  /// What all windows share at one time of the schedule.
  struct Step {
    at::Tensor time;                    // [1, D]
    std::vector<KeysAndValues> layers;  // of the two time tokens, [1, 2, heads, D / heads]
  };
  Step step(double time) const;

  struct Prediction {
    at::Tensor conditional, dropped;  // [B, T, N]
  };
  /// The motion without noise as each branch predicts it from x [B, T, N] at the step's time.
  Prediction forward(const at::Tensor& x, const Window& window, const Step& step) const;

  /// What a window becomes does not depend, to the bit, on those beside it in a batch (nn::Linear).
  bool samples_are_independent() const;
  bool takes_condition_frames() const noexcept { return condition_frames_; }
  int64_t frames() const noexcept { return dropped_tokens_.size(1); }          // T
  int64_t motion() const noexcept { return final_.weight().size(0); }          // N
  int64_t condition() const noexcept { return projection_.weight().size(1); }  // A
  at::ScalarType dtype() const noexcept { return projection_.weight().scalar_type(); }
  at::Device device() const { return projection_.weight().device(); }

 private:
  bool condition_frames_;
  Rotary rotary_;
  nn::Linear input_, frame_, projection_, hidden_in_, hidden_out_, time_mlp_, time_condition_, time_tokens_, final_;
  LayerNorm hidden_norm_, condition_norm_;
  std::vector<ConditionLayer> encoder_;
  std::vector<FilmLayer> decoder_;
  at::Tensor dropped_tokens_, dropped_hidden_;  // null_cond_embed [1, T, D], null_cond_hidden [1, D]
  std::vector<KeysAndValues> dropped_layers_;   // of dropped_tokens_, for the whole life of the model
};

}  // namespace rushes::ditto
