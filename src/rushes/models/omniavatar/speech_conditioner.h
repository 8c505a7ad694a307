// Speech on its way into the transformer: features of video frames, packed by latent frame, then a projection of their
// own for each block that gets them.
#pragma once
#include <ATen/core/Tensor.h>

#include "rushes/models/omniavatar/config.h"
#include "rushes/models/wan/frame_additions.h"
#include "rushes/models/wav2vec/encoder.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::omniavatar {

/// Features of each video frame: the encoder's last hidden state, then all of them from the first on, side by side.
/// wave [B, S] float32, normalised over the whole of it before any padding (wav2vec::normalise). Returns
/// [B, video_frames, speech_feature_dim()], dtype of the encoder. Throws what Encoder::hidden_states() throws.
at::Tensor speech_features(const wav2vec::Encoder& encoder, const at::Tensor& wave, int64_t video_frames);

/// features [B, T, C] of a clip's beginning, of which the first latent frame is one video frame: that one is repeated
/// so that it fills its group. T = 1 + group k becomes group (k + 1).
at::Tensor with_first_group_filled(const at::Tensor& features, int64_t group);

/// Any thread: no state.
class SpeechConditioner {
 public:
  /// Keys audio_proj.{proj,norm_out}.*, audio_cond_projs.{j}.*. Throws Error(corrupt_data) naming a missing or
  /// misshapen key.
  SpeechConditioner(const TransformerConfig& config, const tensor::WeightMap& weights);

  /// One vector for each latent frame: features [B, group F, feature_dim] to [B, F, hidden_size].
  /// Throws Error(invalid_argument) for other shapes.
  at::Tensor pack(const at::Tensor& features) const;

  /// What a block or a whole clip is given: features [B, group F, feature_dim] of its F latent frames, of any floating
  /// dtype; of the first latent frame see with_first_group_filled(). Zero features are silence for guidance and still
  /// add something: norm and biases remain. Differentiable.
  wan::FrameAdditions forward(const at::Tensor& features) const;

  const SpeechConfig& config() const noexcept { return config_; }

 private:
  SpeechConfig config_;
  at::Tensor pack_weight_, pack_bias_, norm_weight_, norm_bias_;
  std::vector<at::Tensor> weights_, biases_;  // of each block's projection
};

/// The same for the latent frames [begin, begin + count) of `speech`, a view.
wan::FrameAdditions frames_of(const wan::FrameAdditions& speech, int64_t begin, int64_t count);

/// Several samples side by side, as guidance batches its passes. All must have the same latent frames.
wan::FrameAdditions batch_of(const std::vector<wan::FrameAdditions>& samples);

}  // namespace rushes::omniavatar
