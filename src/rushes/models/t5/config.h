// Dimensions of a T5 v1.1 encoder. Defaults: T5 v1.1 XXL.
#pragma once
#include <cstdint>

namespace rushes::t5 {

struct Config {
  int64_t vocab_size = 32128;
  int64_t d_model = 4096, d_kv = 64, num_heads = 64, d_ff = 10240, num_layers = 24;
  int64_t relative_attention_num_buckets = 32, relative_attention_max_distance = 128;
  double layer_norm_epsilon = 1e-6;

  int64_t attention_width() const { return d_kv * num_heads; }
  bool operator==(const Config&) const = default;
};

}  // namespace rushes::t5
