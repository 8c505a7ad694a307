// Dimensions and variant of a wav2vec 2.0 or HuBERT encoder. Defaults are wav2vec2-base-960h.
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
  bool conv_bias = false;
  bool feature_layer_norm = false;  // after each convolution a norm over channels; else over time, after the first one
  bool stable_layer_norm = false;   // norms before attention and MLP instead of after them, and a last one

  /// HuBERT-large (arXiv:2106.07447), which has the layers of wav2vec 2.0's large model.
  static Config hubert_large();
  bool operator==(const Config&) const = default;
};

inline Config Config::hubert_large() {
  Config config;
  config.hidden_size = 1024;
  config.num_hidden_layers = 24;
  config.num_attention_heads = 16;
  config.intermediate_size = 4096;
  config.conv_bias = config.feature_layer_norm = config.stable_layer_norm = true;
  return config;
}

}  // namespace rushes::wav2vec
