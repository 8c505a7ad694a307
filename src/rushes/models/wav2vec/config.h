// Dimensions of a wav2vec 2.0 encoder. Defaults are wav2vec2-base-960h.
#pragma once
#include <cstdint>
#include <vector>

namespace rushes::wav2vec {

struct Config {
  int64_t hidden_size = 768;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 12;
  int64_t intermediate_size = 3072;
  std::vector<int64_t> conv_dim{512, 512, 512, 512, 512, 512, 512};
  std::vector<int64_t> conv_kernel{10, 3, 3, 3, 3, 2, 2};
  std::vector<int64_t> conv_stride{5, 2, 2, 2, 2, 2, 2};
  int64_t num_conv_pos_embeddings = 128;
  int64_t num_conv_pos_embedding_groups = 16;
  double layer_norm_eps = 1e-5;
  bool operator==(const Config&) const = default;
};

}  // namespace rushes::wav2vec
