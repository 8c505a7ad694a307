#include "rushes/verify/ditto/configs.h"

namespace rushes::verify {

wav2vec::Config hubert_config(const nlohmann::json& hyper) {
  wav2vec::Config config = wav2vec::Config::hubert_large();
  config.hidden_size = hyper.value("hidden_size", config.hidden_size);
  config.num_hidden_layers = hyper.value("num_hidden_layers", config.num_hidden_layers);
  config.num_attention_heads = hyper.value("num_attention_heads", config.num_attention_heads);
  config.intermediate_size = hyper.value("intermediate_size", config.intermediate_size);
  config.conv_dim = hyper.value("conv_dim", config.conv_dim);
  config.conv_kernel = hyper.value("conv_kernel", config.conv_kernel);
  config.conv_stride = hyper.value("conv_stride", config.conv_stride);
  config.num_conv_pos_embeddings = hyper.value("num_conv_pos_embeddings", config.num_conv_pos_embeddings);
  config.num_conv_pos_embedding_groups =
      hyper.value("num_conv_pos_embedding_groups", config.num_conv_pos_embedding_groups);
  return config;
}

ditto::ChunkSize chunk_size(const nlohmann::json& hyper) {
  if (!hyper.contains("chunksize")) return {};
  const auto sizes = hyper.at("chunksize").get<std::array<int64_t, 3>>();
  return {sizes[0], sizes[1], sizes[2]};
}

}  // namespace rushes::verify
