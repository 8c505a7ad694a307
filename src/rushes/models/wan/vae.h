// The Wan 2.1 video VAE: causal in time, 8 x smaller in height and width, 4 x in time. Encoder and decoder are
// functions of their input and a state that the caller owns: kept states make pieces equal to the whole.
#pragma once
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "rushes/models/wan/autoencoder.h"
#include "rushes/models/wan/config.h"
#include "rushes/models/wan/vae_layers.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::wan {

/// Names and shapes of all parameters, as published.
std::map<std::string, std::vector<int64_t>> parameter_shapes(const VaeConfig& config);

/// Mean and reciprocal of the standard deviation of the latents, [1, C, 1, 1, 1] float32. The reciprocal is rounded to
/// float32 before it is used, in both directions, as the reference does.
struct LatentScale {
  at::Tensor mean, inverse_std;
  explicit LatentScale(const VaeConfig& config, at::Device device);
};

class VaeDecoder {
 public:
  /// `weights` with the published names: "conv2.*" and "decoder.*".
  VaeDecoder(const VaeConfig& config, const tensor::WeightMap& weights);

  /// latents [B, C, F, h, w], normalised, the next F of the stream. Returns RGB [B, 3, T, 8h, 8w] in the dtype of the
  /// latents, not clamped; T = 4 F, less by 3 with the first frame (StreamStart::first_frame_alone).
  at::Tensor forward(const at::Tensor& latents, VaeState& state) const;
  const VaeConfig& config() const { return config_; }
  at::Device device() const { return scale_.mean.device(); }
  /// Of a number on its way through the layers.
  int64_t value_bytes() const { return static_cast<int64_t>(c10::elementSize(compute_.dtype)); }

 private:
  using Stage = std::variant<ResidualBlock, FrameAttention, Upsample>;
  at::Tensor run(const at::Tensor& z, VaeState& state) const;
  VaeConfig config_;
  ConvCompute compute_;
  LatentScale scale_;
  Conv3d from_latent_, conv_in_, conv_out_;
  std::vector<Stage> stages_;
  ChannelNorm norm_out_;
};

class VaeEncoder {
 public:
  /// `weights` with the published names: "conv1.*" and "encoder.*".
  VaeEncoder(const VaeConfig& config, const tensor::WeightMap& weights);

  /// video [B, 3, T, H, W] in [-1, 1], the next T frames: 1 + 4k at the start of a stream, 4k later.
  /// Returns the normalised mean [B, C, F, h, w], in the dtype of the video.
  /// Throws Error(invalid_argument) for another T, or if H or W is not a multiple of 8.
  at::Tensor forward(const at::Tensor& video, VaeState& state) const;
  const VaeConfig& config() const { return config_; }
  at::Device device() const { return scale_.mean.device(); }

 private:
  using Stage = std::variant<ResidualBlock, FrameAttention, Downsample>;
  at::Tensor run(const at::Tensor& video, VaeState& state) const;
  VaeConfig config_;
  ConvCompute compute_;
  LatentScale scale_;
  Conv3d to_latent_, conv_in_, conv_out_;
  std::vector<Stage> stages_;
  ChannelNorm norm_out_;
};

/// Keeps the caches of a decoder from call to call, and clamps.
class VaeStreamDecoder final : public StreamDecoder {
 public:
  explicit VaeStreamDecoder(std::shared_ptr<const VaeDecoder> decoder,
                            StreamStart start = StreamStart::first_frame_alone);
  at::Tensor decode(const at::Tensor& latents) override;
  std::unique_ptr<StreamDecoder> clone() const override { return std::make_unique<VaeStreamDecoder>(*this); }
  int64_t bytes() const override { return state_.bytes(); }
  /// Forgets the stream: the next frame is a first frame.
  void reset() { state_ = VaeState{state_.start, {}, 0}; }
  const VaeState& state() const { return state_; }

 private:
  std::shared_ptr<const VaeDecoder> decoder_;
  VaeState state_;
};

class Vae final : public Autoencoder {
 public:
  /// `weights` with the published names; those of the encoder may be missing.
  Vae(const VaeConfig& config, const tensor::WeightMap& weights);

  int64_t latent_channels() const override { return config_.z_dim; }
  int64_t spatial_stride() const override { return config_.spatial_stride(); }
  int64_t temporal_stride() const override { return config_.temporal_stride(); }
  int64_t decoding_bytes(int64_t latent_frames, int64_t height, int64_t width) const override;
  std::unique_ptr<StreamDecoder> decoder() const override { return std::make_unique<VaeStreamDecoder>(decoder_); }
  at::Tensor encode(const at::Tensor& video) const override;

  /// The parts themselves. The encoder: throws Error(unsupported) if the checkpoint came without one.
  const VaeDecoder& video_decoder() const { return *decoder_; }
  const VaeEncoder& video_encoder() const;

 private:
  VaeConfig config_;
  std::shared_ptr<const VaeDecoder> decoder_;
  std::shared_ptr<const VaeEncoder> encoder_;  // null: the checkpoint has none
};

}  // namespace rushes::wan
