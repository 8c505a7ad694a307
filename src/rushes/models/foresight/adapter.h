// From what a vision-language model and a vision transformer see in a picture to the prompt embeddings of a video
// model: learned queries that look at the tokens of both. Three forms of one network, told apart by their names of
// parameters.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "rushes/models/foresight/decoder_layer.h"
#include "rushes/nn/linear.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::foresight {

enum class AdapterForm {
  query,            // QueryAdapter, the deployed one
  optimized_query,  // OptimizedQueryAdapter: norms behind the projections, a head of two layers
  hybrid_fusion,    // HybridFusion: positions of the patches, a head of two layers
};

constexpr std::array<std::pair<std::string_view, AdapterForm>, 3> words_of(AdapterForm) {
  return {{{"query", AdapterForm::query},
           {"optimized_query", AdapterForm::optimized_query},
           {"hybrid_fusion", AdapterForm::hybrid_fusion}}};
}

/// Defaults: the deployed adapter.
struct AdapterConfig {
  AdapterForm form = AdapterForm::query;
  int64_t vlm_dim = 3584, spatial_dim = 1024, hidden_dim = 384, output_dim = 4096;
  int64_t num_layers = 2, num_queries = 77, num_heads = 6, mlp_dim = 1536;
  int64_t spatial_positions = 256;  // HybridFusion's table; the patches of a picture take its first rows
  bool operator==(const AdapterConfig&) const = default;
};

/// The tokens of the vision-language model that an adapter looks at: what is longer is cut, what is shorter filled with
/// zeros, which are looked at too.
inline constexpr int64_t kVlmTokens = 256;
/// [B, L, C] to [B, tokens, C].
at::Tensor cut_or_padded(const at::Tensor& features, int64_t tokens = kVlmTokens);

/// Names and shapes of all parameters. QueryAdapter: queries, vlm_proj, dino_proj, layers.{i}, out_proj. Optimized: the
/// same with vlm_proj.{0,1}, dino_proj.{0,1} (linear, norm) and out_proj.{0,2}. HybridFusion: output_queries,
/// spatial_pos, vlm_proj, spatial_proj, fusion_layers.{i}, output_proj.{0,2}.
tensor::Shapes parameter_shapes(const AdapterConfig& config);

/// The tensors are those of an adapter, by their names.
bool is_adapter(const tensor::WeightMap& tensors);
/// Form and dimensions that names and shapes show, and the heads that the form has: a head of 64 channels, or 8 heads.
/// Throws Error(corrupt_data).
AdapterConfig infer_adapter(const tensor::WeightMap& tensors);

/// Any thread: no state.
class Adapter {
 public:
  /// Throws Error(corrupt_data) naming a missing or misshapen key, Error(invalid_argument).
  Adapter(const AdapterConfig& config, const tensor::WeightMap& weights);

  ///   vlm      [B, L, vlm_dim]: last hidden states of the vision-language model
  ///   spatial  [B, N, spatial_dim]: patch tokens of the vision transformer
  /// Returns [B, num_queries, output_dim], dtype of the weights. Throws Error(invalid_argument) for more patches than
  /// there are positions, and other shapes.
  at::Tensor forward(const at::Tensor& vlm, const at::Tensor& spatial) const;

  const AdapterConfig& config() const noexcept { return config_; }
  at::TensorOptions options() const { return queries_.options(); }

 private:
  struct Norm {
    at::Tensor weight, bias;  // undefined: none
  };
  at::Tensor projected(const nn::Linear& linear, const Norm& norm, const at::Tensor& features) const;

  AdapterConfig config_;
  at::Tensor queries_;            // [Q, C]
  at::Tensor spatial_positions_;  // [positions, C], or undefined
  nn::Linear vlm_, spatial_, head_, second_;
  Norm vlm_norm_, spatial_norm_;
  std::vector<DecoderLayer> layers_;
};

}  // namespace rushes::foresight
