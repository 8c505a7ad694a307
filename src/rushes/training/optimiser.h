// AdamW over a named set of trainable tensors, Muon for its inner matrices if asked for, with the moving average that
// ships, gradient clipping and a state file that a later run continues from.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "rushes/tensor/weight_map.h"

namespace rushes::training {

struct OptimiserOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.99;
  double weight_decay = 0.01;
  double clip = 1.0;       // largest gradient norm; larger ones are scaled down
  double average = 0.999;  // of the moving average, reached after a warm-up
  int64_t warm_up_steps = 100;
  /// Matrices whose names begin so, kernels of 3-D convolutions as [out, the rest], are moved by Muon: the update is
  /// the orthogonalised momentum, 0.2 sqrt(longer side) times it, which has the size of an AdamW update. Source: K.
  /// Jordan et al., "Muon"; scale: arXiv:2502.16982.
  std::string muon_prefix{};
  double muon_momentum = 0.95;
  int64_t threads = 1;  // that share Muon's matrices
};

/// Leaf tensors with gradients and what AdamW keeps about them. The tensors' storage never moves, so modules that
/// borrow from weights() see every update. One thread.
class Optimiser {
 public:
  /// Takes copies of `initial` as leaves. Floating tensors only.
  Optimiser(const std::map<std::string, at::Tensor>& initial, const OptimiserOptions& options);

  /// All leaves, marked trainable.
  tensor::WeightMap weights() const;
  /// The moving average, detached. Not trainable.
  tensor::WeightMap average() const;

  /// One update from the leaves' gradients, which are cleared; `scale` multiplies the learning rate (schedules).
  /// Returns the gradient norm before clipping; an update with a non-finite norm is skipped.
  double step(double scale = 1.0);
  int64_t steps() const noexcept { return steps_; }

  void save(const std::filesystem::path& file) const;
  /// False if there is no such file. Throws Error(corrupt_data) if it is of another model. `reset_steps` keeps weights
  /// and average only, for a new stage.
  bool load(const std::filesystem::path& file);

 private:
  bool uses_muon(std::size_t index) const;
  void move_by_muon(std::size_t index, double rate);

  std::vector<at::Tensor> leaves_, first_, second_, step_counts_, averages_;
  std::vector<std::string> names_;
  OptimiserOptions options_;
  int64_t steps_ = 0;
};

}  // namespace rushes::training
