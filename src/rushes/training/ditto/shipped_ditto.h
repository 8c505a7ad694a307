// The dimensions of the shipped portrait model of the Ditto layout, and fresh weights for its parts.
#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "rushes/models/ditto/checkpoint.h"
#include "rushes/models/wav2vec/config.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::training {

constexpr int64_t kMotionHeads = 4;

using Tensors = std::map<std::string, at::Tensor>;

/// 16 by 16 cells of features for pictures of 64 by 64 that are read and 128 by 128 that are drawn.
ditto::Sizes shipped_ditto_sizes();
wav2vec::Config shipped_speech_encoder();

/// What is trained of a part of ditto::parameter_shapes(): He's initialisation, residual branches small, the
/// deformation near "nothing moves". Running statistics are not trained, spectral norms not used, and of the motion
/// extractor the heads are left out, which its training presents in another way.
Tensors fresh_part(const std::string& part);
Tensors fresh_speech_encoder();

/// With the running means 0 and variances 1 of all batch normalisations: the drawn data needs no batch statistics.
/// Keeps whether they are trainable.
tensor::WeightMap with_identity_statistics(const tensor::WeightMap& trained);

/// The decoder's convolutions as files have them: weight_orig with weight_u and weight_v, such that dividing by
/// u . (W v) changes nothing.
Tensors with_spectral_norms(const Tensors& decoder);

/// Those whose keys begin with `prefix`, without it.
Tensors part_of(const Tensors& all, const std::string& prefix);

}  // namespace rushes::training
