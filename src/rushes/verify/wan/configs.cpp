#include "rushes/verify/wan/configs.h"

namespace rushes::verify {

wan::TransformerConfig transformer_config(const nlohmann::json& hyper) {
  wan::TransformerConfig config;
  config.model_type = hyper.value("model_type", "t2v") == "i2v" ? wan::ModelType::i2v : wan::ModelType::t2v;
  config.dim = hyper.value("dim", config.dim);
  config.num_heads = hyper.value("num_heads", config.num_heads);
  config.num_layers = hyper.value("num_layers", config.num_layers);
  config.ffn_dim = hyper.value("ffn_dim", config.ffn_dim);
  config.in_dim = hyper.value("in_dim", config.in_dim);
  config.out_dim = hyper.value("out_dim", config.out_dim);
  config.freq_dim = hyper.value("freq_dim", config.freq_dim);
  config.text_dim = hyper.value("text_dim", config.text_dim);
  config.text_len = hyper.value("text_len", config.text_len);
  // null where the model takes no picture
  if (config.model_type == wan::ModelType::i2v) config.image_dim = hyper.value("clip_dim", config.image_dim);
  config.patch_size = hyper.value("patch_size", config.patch_size);
  config.eps = hyper.value("eps", config.eps);
  config.local_attn_size = hyper.value("local_attn_size", config.local_attn_size);
  config.sink_size = hyper.value("sink_size", config.sink_size);
  return config;
}

wan::Umt5Config text_config(const nlohmann::json& hyper) {
  wan::Umt5Config config;
  config.vocab = hyper.value("vocab", config.vocab);
  config.dim = hyper.value("dim", config.dim);
  config.dim_attn = hyper.value("dim_attn", config.dim_attn);
  config.dim_ffn = hyper.value("dim_ffn", config.dim_ffn);
  config.num_heads = hyper.value("num_heads", config.num_heads);
  config.num_layers = hyper.value("num_layers", config.num_layers);
  config.num_buckets = hyper.value("num_buckets", config.num_buckets);
  config.max_distance = hyper.value("max_dist", config.max_distance);
  config.text_len = hyper.value("text_len", config.text_len);
  config.eps = hyper.value("eps", config.eps);
  return config;
}

wan::VaeConfig vae_config(const nlohmann::json& hyper) {
  wan::VaeConfig config;
  config.dim = hyper.value("dim", config.dim);
  config.z_dim = hyper.value("z_dim", config.z_dim);
  config.num_res_blocks = hyper.value("num_res_blocks", config.num_res_blocks);
  config.dim_mult = hyper.value("dim_mult", config.dim_mult);
  config.temporal_downsample = hyper.value("temperal_downsample", config.temporal_downsample);  // sic
  config.mean = hyper.value("mean", config.mean);
  config.std = hyper.value("std", config.std);
  return config;
}

}  // namespace rushes::verify
