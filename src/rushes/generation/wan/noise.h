// Where a pipeline's random numbers come from: a seed in the product, recorded tensors in golden cases.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "rushes/tensor/random.h"

namespace rushes::generation {

/// Asked in a fixed order: once per segment for the noise of all its new latent frames, then once per block and
/// denoising step except the last. Owned by one generator.
class NoiseSource {
 public:
  virtual ~NoiseSource() = default;
  /// float32 [B, F, C, h, w].
  virtual at::Tensor segment_noise(int64_t segment, at::IntArrayRef sizes) = 0;
  /// float32 [B * f, C, h, w]: added after denoising step `step` of a block.
  virtual at::Tensor renoise(int64_t segment, int64_t block, int64_t step, at::IntArrayRef sizes) = 0;
  virtual std::unique_ptr<NoiseSource> clone() const = 0;
};

/// The reference's CPU stream; the same values on every device.
class SeededNoise final : public NoiseSource {
 public:
  explicit SeededNoise(uint64_t seed) : stream_(seed) {}
  at::Tensor segment_noise(int64_t, at::IntArrayRef sizes) override { return stream_.normal(sizes); }
  at::Tensor renoise(int64_t, int64_t, int64_t, at::IntArrayRef sizes) override { return stream_.normal(sizes); }
  std::unique_ptr<NoiseSource> clone() const override { return std::make_unique<SeededNoise>(*this); }

 private:
  tensor::RandomStream stream_;
};

}  // namespace rushes::generation
