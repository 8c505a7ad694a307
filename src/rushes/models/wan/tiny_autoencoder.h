// The tiny autoencoder of Wan 2.1 latents (TAEHV family, checkpoint taew2_1.pth): 2-d convolutions on single frames,
// and one frame of memory in every MemBlock. Encoder and decoder are functions of their input and a state that the
// caller owns; with a fresh state and all frames at once they are the batch form, with a kept state the streaming form,
// and both give the same frames. Under trainable weights nothing is packed or changed in place, so autograd works.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "rushes/models/wan/autoencoder.h"
#include "rushes/models/wan/config.h"
#include "rushes/models/wan/conv_compute.h"
#include "rushes/models/wan/upsample_conv.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::wan {

/// What a tiny encoder or decoder remembers between calls; default-constructed at the start of a stream. A copy is a
/// fork: calls replace the tensors and never write into them.
struct TinyState {
  std::vector<at::Tensor> memory;   // of each MemBlock: its previous input frame [N, C, H, W], channels last
  std::vector<at::Tensor> waiting;  // of each TPool: frames [t*N, C, H, W] that do not fill a group yet
  int64_t video_frames_seen = 0;    // decoder: that came out so far, trimmed ones included
  int64_t bytes() const;
};

/// Shapes of all parameters by their published names ("encoder.0.weight", ...), for initialising and checking.
std::map<std::string, std::vector<int64_t>> parameter_shapes(const TinyAutoencoderConfig& config);

/// One stage of the sequential network; weights and what to do with them. Internal to the module.
struct TinyLayer {
  enum class Kind { clamp, conv, relu, memory, upsample, pool, grow, folded };
  Kind kind;
  int64_t factor = 1;                    // conv: stride; upsample, pool, grow: how many
  std::vector<at::Tensor> weight, bias;  // conv: 1; memory: 3 and weight[3] for a 1x1 skip; pool, grow: 1 without bias
  UpsampleConv upsample;                 // folded: upsample, grow and conv in one
};

class TinyEncoder {
 public:
  /// `weights` with the keys "encoder.*" stripped to "0.weight", ...
  TinyEncoder(const TinyAutoencoderConfig& config, const tensor::WeightMap& weights);

  /// video [N, T, 3, H, W] RGB in [0, 1]; H, W multiples of 8. Returns latents [N, F, C, h, w] in the
  /// dtype of the video; 4 video frames make one latent frame, and what is left over waits in `state`.
  at::Tensor forward(const at::Tensor& video, TinyState& state) const;
  /// The whole of a video of 1 + 4k frames: the first frame counts four times, which mirrors the decoder's trim.
  at::Tensor encode(const at::Tensor& video) const;

 private:
  ConvCompute compute_;
  std::vector<TinyLayer> layers_;
};

class TinyDecoder {
 public:
  /// `weights` with the keys "decoder.*" stripped to "1.weight", ... TGrow weights with more output channels than the
  /// config needs keep their last ones.
  TinyDecoder(const TinyAutoencoderConfig& config, const tensor::WeightMap& weights);

  /// latents [N, F, C, h, w] normalised. Returns RGB [N, 4F, 3, 8h, 8w] in their dtype, nominally in [0, 1], not
  /// clamped; the first frames_to_trim frames of a stream included.
  at::Tensor forward(const at::Tensor& latents, TinyState& state) const;
  /// The same without the first frames_to_trim frames of the stream: [N, 1 + 4(F-1), 3, 8h, 8w] for a fresh state.
  at::Tensor forward_trimmed(const at::Tensor& latents, TinyState& state) const;
  const TinyAutoencoderConfig& config() const { return config_; }
  at::Device device() const { return device_; }
  /// Of a number on its way through the layers.
  int64_t value_bytes() const { return static_cast<int64_t>(c10::elementSize(compute_.dtype)); }

 private:
  TinyAutoencoderConfig config_;
  ConvCompute compute_;
  std::vector<TinyLayer> layers_;
  at::Device device_;
};

class TinyAutoencoder final : public Autoencoder {
 public:
  /// `weights` with the published names "encoder.*" and "decoder.*"; those of the encoder may be missing.
  TinyAutoencoder(const TinyAutoencoderConfig& config, const tensor::WeightMap& weights);

  int64_t latent_channels() const override { return config_.latent_channels; }
  int64_t spatial_stride() const override { return 8; }
  int64_t temporal_stride() const override { return config_.frames_to_trim + 1; }
  int64_t decoding_bytes(int64_t latent_frames, int64_t height, int64_t width) const override;
  std::unique_ptr<StreamDecoder> decoder() const override;
  at::Tensor encode(const at::Tensor& video) const override;

 private:
  TinyAutoencoderConfig config_;
  std::shared_ptr<const TinyEncoder> encoder_;  // null: the checkpoint has none
  std::shared_ptr<const TinyDecoder> decoder_;
};

}  // namespace rushes::wan
