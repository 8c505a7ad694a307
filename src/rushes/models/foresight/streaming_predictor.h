// A recurrent predictor of features: it looks at a window of what has been and predicts the next vector, which then is
// the newest of what has been. Part of the published research; no pipeline uses it.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "rushes/models/foresight/decoder_layer.h"
#include "rushes/nn/linear.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::foresight {

struct PredictorConfig {
  int64_t vlm_dim = 3584, hidden_dim = 512, num_queries = 32, num_layers = 3, num_heads = 8;
  int64_t context_window = 16;
  int64_t aggregator_dim = 1024, output_dim = 1024, mlp_dim = 2048;  // widths between two linear layers
  bool operator==(const PredictorConfig&) const = default;
};

/// Without recurrent_proj, which checkpoints have and nothing uses.
tensor::Shapes parameter_shapes(const PredictorConfig& config);
/// Dimensions that the shapes show, with 8 heads. Throws Error(corrupt_data).
PredictorConfig infer_predictor(const tensor::WeightMap& tensors);

/// Another context from a step on.
struct ContextSwitch {
  int64_t step;        // before it
  at::Tensor context;  // [B, T, vlm_dim]
};

/// Any thread: no state.
class StreamingPredictor {
 public:
  /// Throws Error(corrupt_data) naming a missing or misshapen key, Error(invalid_argument).
  StreamingPredictor(const PredictorConfig& config, const tensor::WeightMap& weights);

  ///   context  [B, T, vlm_dim]; of a longer one the last context_window, before a shorter one zeros
  /// Returns [B, steps, vlm_dim].
  at::Tensor predict(const at::Tensor& context, int64_t steps, const std::optional<ContextSwitch>& change = {}) const;

 private:
  at::Tensor window(const at::Tensor& context) const;

  PredictorConfig config_;
  at::Tensor positions_, queries_;
  nn::Linear input_, aggregate1_, aggregate2_, output1_, output2_;
  std::vector<DecoderLayer> layers_;
};

}  // namespace rushes::foresight
