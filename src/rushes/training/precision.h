// In which type training multiplies: weights and their averages stay float32, products run in bfloat16 where the
// processor has it (twice as fast) and on GPUs, in float32 elsewhere.
#pragma once
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include "rushes/tensor/weight_map.h"

namespace rushes::training {

at::ScalarType product_dtype(c10::Device device = c10::kCPU);

/// `weights` as the modules should see them for one update: cast, in the autograd graph of the originals.
tensor::WeightMap for_products(const tensor::WeightMap& weights);

}  // namespace rushes::training
