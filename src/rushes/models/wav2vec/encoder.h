// The wav2vec 2.0 speech encoder as talking-head models use it: one feature vector for each video frame. Neither causal
// nor independent of where the sound is cut: normalisation, positions and attention see the whole clip.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/models/wav2vec/config.h"
#include "rushes/nn/linear.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::wav2vec {

/// (x - mean) / sqrt(var + eps) of each waveform, population variance: wave [.., S] float32. Returns the same shape.
at::Tensor normalise(const at::Tensor& wave, double eps = 1e-7);

/// Video frames that `samples` of sound fill: ceil(samples fps / sampling_rate).
int64_t video_frames(int64_t samples, double fps, int64_t sampling_rate);
/// Samples that so many video frames last, rounded down.
int64_t samples_of(int64_t video_frames, double fps, int64_t sampling_rate);
/// wave [B, S] lengthened to `samples` by its last value. Throws Error(invalid_argument) for an empty or longer wave.
at::Tensor pad_with_last(const at::Tensor& wave, int64_t samples);

/// x [B, L, C] to [B, length, C], linearly, first and last positions aligned. In float32 positions.
at::Tensor interpolate_time(const at::Tensor& x, int64_t length);

/// Source: arXiv:2006.11477: the base architecture (post-norm layers, group norm in the first convolution) and the
/// large one (pre-norm layers, layer norms in the convolutions), which HuBERT (arXiv:2106.07447) has too. Any thread:
/// no state.
class Encoder {
 public:
  /// Keys feature_extractor.*, feature_projection.*, encoder.* (masked_spec_embed has no effect). The positional
  /// convolution's weight norm is read as weight_g, weight_v or as parametrizations.weight.original0, original1.
  /// Throws Error(corrupt_data) naming a missing or misshapen key.
  Encoder(const Config& config, const tensor::WeightMap& weights);

  /// All hidden states for wave [B, S], features resampled to `length` time steps before their projection: the input of
  /// the first layer, then each layer's output; each [B, length, hidden_size]. Throws Error(invalid_argument) if the
  /// wave is shorter than the first feature needs (400 samples for the published kernels).
  std::vector<at::Tensor> hidden_states(const at::Tensor& wave, int64_t length) const;
  /// The same without resampling: one time step for each feature.
  std::vector<at::Tensor> hidden_states(const at::Tensor& wave) const;
  /// The last of them.
  at::Tensor forward(const at::Tensor& wave, int64_t length) const { return hidden_states(wave, length).back(); }

  at::Tensor forward(const at::Tensor& wave) const { return hidden_states(wave).back(); }

  /// Of a wave on whatever device.
  at::Tensor operator()(const at::Tensor& wave) const { return forward(wave.to(device())); }

  const Config& config() const noexcept { return config_; }
  at::ScalarType dtype() const noexcept { return projection_.weight().scalar_type(); }
  at::Device device() const { return projection_.weight().device(); }

 private:
  struct Norm {
    at::Tensor weight, bias;
  };
  struct Layer {
    nn::Linear q, k, v, out, up, down;
    Norm attention_norm, mlp_norm;  // layer_norm, final_layer_norm
  };
  struct Convolution {
    at::Tensor weight, bias;  // bias: undefined where there is none
    Norm norm;                // undefined where there is none
  };
  at::Tensor features(const at::Tensor& wave) const;  // [B, L, conv_dim]
  at::Tensor position_weight() const;
  std::vector<at::Tensor> transformed(const at::Tensor& features) const;
  at::Tensor layer(const Layer& layer, const at::Tensor& x) const;
  at::Tensor norm(const at::Tensor& x, const Norm& norm) const;

  Config config_;
  bool trainable_;
  std::vector<Convolution> convs_;
  Norm projection_norm_, encoder_norm_;
  nn::Linear projection_;
  at::Tensor position_gain_, position_direction_, position_bias_, position_weight_;
  std::vector<Layer> layers_;
};

}  // namespace rushes::wav2vec
