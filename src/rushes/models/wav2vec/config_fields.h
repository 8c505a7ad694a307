// The sizes of a speech encoder as a manifest's section has them, for families that bring one.
#pragma once
#include "rushes/base/manifest.h"

namespace rushes::wav2vec {

/// Of Config; the variant (conv_bias, ...) is for those whose models have several.
template <typename Config, typename Visitor>
void visit_sizes(Config& config, Visitor&& visit) {
  constexpr FieldRange kWidth{1, 1 << 16};
  visit("hidden_size", config.hidden_size, kWidth);
  visit("num_hidden_layers", config.num_hidden_layers, FieldRange{1, 1000});
  visit("num_attention_heads", config.num_attention_heads, FieldRange{1, 1024});
  visit("intermediate_size", config.intermediate_size, kWidth);
  visit("conv_dim", config.conv_dim, kWidth);
  visit("conv_kernel", config.conv_kernel, FieldRange{1, 1024});
  visit("conv_stride", config.conv_stride, FieldRange{1, 1024});
  visit("num_conv_pos_embeddings", config.num_conv_pos_embeddings, FieldRange{1, 4096});
  visit("num_conv_pos_embedding_groups", config.num_conv_pos_embedding_groups, FieldRange{1, 4096});
  visit("layer_norm_eps", config.layer_norm_eps, FieldRange{0, 1});
}

}  // namespace rushes::wav2vec
