// The decoder of the Wan VAE written with libtorch's operators as the reference implementation writes it: contiguous
// tensors, padding by copies, norms of several operators, the dtype of the weights throughout. The yardstick of
// benchmarks and tests; nothing else uses it.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "rushes/models/wan/config.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::wan {

/// Products and sums of the convolutions and the attention of one decoded latent frame of h x w that is not the first.
double decode_flop(const VaeConfig& config, int64_t latent_height, int64_t latent_width);

class ReferenceVaeDecoder {
 public:
  ReferenceVaeDecoder(VaeConfig config, tensor::WeightMap weights);
  /// z [1, C, 1, h, w]: one denormalised latent frame, dtype of the weights; the first of a stream if `caches` is
  /// empty. Returns [1, 3, 1 or 4, 8h, 8w], not clamped.
  at::Tensor decode_frame(const at::Tensor& z, std::vector<at::Tensor>& caches) const;

 private:
  VaeConfig config_;
  tensor::WeightMap weights_;
};

}  // namespace rushes::wan
