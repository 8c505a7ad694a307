#include "rushes/verify/omniavatar/configs.h"

#include "rushes/tensor/ops.h"
#include "rushes/verify/wan/configs.h"

namespace rushes::verify {

tensor::WeightMap module_weights(const tensor::WeightMap& weights, const std::string& prefix) {
  tensor::WeightMap own = weights.under(prefix);
  return own.tensors().empty() ? weights : own;
}

omniavatar::TransformerConfig avatar_config(const nlohmann::json& hyper, const tensor::WeightMap& weights,
                                            int64_t text_rows) {
  omniavatar::TransformerConfig config;
  config.wan = transformer_config(hyper);
  config.wan.text_len = text_rows;
  config.speech.hidden_size = hyper.value("audio_hidden_size", config.speech.hidden_size);
  config.speech.feature_dim = hyper.value("audio_input_dim", config.speech.feature_dim);
  if (weights.contains("audio_proj.proj.weight"))
    config.speech.feature_dim = weights.at("audio_proj.proj.weight").size(1) / config.speech.group;
  return config;
}

wan::VaeConfig avatar_vae_config(const nlohmann::json& hyper) {
  wan::VaeConfig config = vae_config(hyper);
  config.dim = hyper.value("vae_dim", wan::VaeConfig{}.dim);
  if (config.dim_mult.size() <= config.temporal_downsample.size())  // the list is that of four levels
    config.temporal_downsample.resize(config.dim_mult.size() - 1);
  return config;
}

std::vector<omniavatar::Size> avatar_sizes(const nlohmann::json& sizes) {
  std::vector<omniavatar::Size> all;
  for (const auto& size : sizes) all.push_back({size.at(0).get<int64_t>(), size.at(1).get<int64_t>()});
  return all;
}

wav2vec::Config avatar_speech_config(const nlohmann::json& hyper) {
  wav2vec::Config config;
  config.hidden_size = hyper.value("hidden_size", config.hidden_size);
  config.num_hidden_layers = hyper.value("num_hidden_layers", config.num_hidden_layers);
  config.num_attention_heads = hyper.value("num_attention_heads", config.num_attention_heads);
  config.intermediate_size = hyper.value("intermediate_size", config.intermediate_size);
  if (const auto width = hyper.find("conv_dim"); width != hyper.end())
    config.conv_dim = width->is_array() ? width->get<std::vector<int64_t>>()
                                        : std::vector<int64_t>(config.conv_dim.size(), width->get<int64_t>());
  config.conv_kernel = hyper.value("conv_kernel", config.conv_kernel);
  config.conv_stride = hyper.value("conv_stride", config.conv_stride);
  config.num_conv_pos_embeddings = hyper.value("num_conv_pos_embeddings", config.num_conv_pos_embeddings);
  config.num_conv_pos_embedding_groups =
      hyper.value("num_conv_pos_embedding_groups", config.num_conv_pos_embedding_groups);
  config.layer_norm_eps = hyper.value("layer_norm_eps", config.layer_norm_eps);
  return config;
}

}  // namespace rushes::verify
