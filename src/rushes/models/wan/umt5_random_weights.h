// Random weights of a UMT5 encoder, for tests that need one but no checkpoint.
#pragma once
#include <fmt/format.h>

#include <string>
#include <vector>

#include "rushes/models/wan/config.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::wan {

/// Every tensor N(0, 0.3), float32.
inline tensor::WeightMap random_umt5_weights(const Umt5Config& c) {
  tensor::WeightMap weights;
  const auto add = [&](const std::string& key, std::vector<int64_t> shape) {
    weights.set(key, at::randn(shape) * 0.3);
  };
  add("token_embedding.weight", {c.vocab, c.dim});
  add("norm.weight", {c.dim});
  for (int64_t i = 0; i < c.num_layers; ++i) {
    const std::string block = fmt::format("blocks.{}.", i);
    for (const char* key : {"attn.q", "attn.k", "attn.v"}) add(block + key + ".weight", {c.dim_attn, c.dim});
    add(block + "attn.o.weight", {c.dim, c.dim_attn});
    for (const char* key : {"norm1.weight", "norm2.weight"}) add(block + key, {c.dim});
    for (const char* key : {"ffn.gate.0.weight", "ffn.fc1.weight"}) add(block + key, {c.dim_ffn, c.dim});
    add(block + "ffn.fc2.weight", {c.dim, c.dim_ffn});
    add(block + "pos_embedding.embedding.weight", {c.num_buckets, c.num_heads});
  }
  return weights;
}

}  // namespace rushes::wan
