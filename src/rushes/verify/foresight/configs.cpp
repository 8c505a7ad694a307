#include "rushes/verify/foresight/configs.h"

#include "rushes/base/error.h"
#include "rushes/models/dinov2/checkpoint.h"
#include "rushes/tensor/ops.h"

namespace rushes::verify {

t5::Config foresight_t5_config(const nlohmann::json& hyper) {
  t5::Config config;
  config.vocab_size = hyper.at("vocab_size");
  config.d_model = hyper.at("d_model");
  config.d_kv = hyper.at("d_kv");
  config.d_ff = hyper.at("d_ff");
  config.num_layers = hyper.at("num_layers");
  config.num_heads = hyper.at("num_heads");
  config.relative_attention_num_buckets =
      hyper.value("relative_attention_num_buckets", config.relative_attention_num_buckets);
  config.relative_attention_max_distance =
      hyper.value("relative_attention_max_distance", config.relative_attention_max_distance);
  config.layer_norm_epsilon = hyper.value("layer_norm_epsilon", config.layer_norm_epsilon);
  return config;
}

dinov2::Config foresight_dinov2_config(const nlohmann::json& hyper, const tensor::WeightMap& weights) {
  dinov2::Config config = dinov2::infer_config(weights);
  config.num_heads = hyper.contains("num_heads") ? hyper.at("num_heads").get<int64_t>()
                                                 : hyper.value("num_attention_heads", config.num_heads);
  config.norm_eps =
      hyper.contains("norm_eps") ? hyper.at("norm_eps").get<double>() : hyper.value("layer_norm_eps", config.norm_eps);
  config.position_offset = hyper.value("interpolate_offset", config.position_offset);
  require(!hyper.value("interpolate_antialias", false), ErrorCode::unsupported,
          "interpolate_antialias: no published model without registers has it");
  return config;
}

foresight::AdapterConfig foresight_adapter_config(const nlohmann::json& hyper, const tensor::WeightMap& weights) {
  foresight::AdapterConfig config = foresight::infer_adapter(weights);
  config.num_heads = hyper.value("heads", config.num_heads);
  return config;
}

}  // namespace rushes::verify
