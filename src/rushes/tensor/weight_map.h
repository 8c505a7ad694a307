// Named parameters of a model, and how modules take theirs. Nothing here knows a file format.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rushes::tensor {

/// Parameters by their published key names. Copying shares storage. A module takes its part with under() and at().
/// Inference modules may pack or fuse at construction; when trainable() they must use the tensors themselves, so that
/// gradients reach the leaves and an optimiser's in-place updates are seen.
class WeightMap {
 public:
  WeightMap() = default;
  explicit WeightMap(std::map<std::string, at::Tensor> tensors) : tensors_(std::move(tensors)) {}

  /// The tensor `prefix + key`. Throws Error(corrupt_data) naming the full key if it is missing.
  const at::Tensor& at(std::string_view key) const;
  /// The same, which must have exactly this shape; -1 allows any extent. Throws Error(corrupt_data) with both shapes.
  const at::Tensor& at(std::string_view key, std::initializer_list<int64_t> shape) const;
  bool contains(std::string_view key) const;
  void set(const std::string& key, at::Tensor value);
  /// `value` stands for value * scale, and becomes that in to(dtype), tensor by tensor: weights of 8 bits stay so until
  /// they are placed. `scale` is broadcast.
  void set_scaled(const std::string& key, at::Tensor value, at::Tensor scale);

  /// View of all keys that begin with `prefix`, with it stripped: under("blocks.0.").at("norm1.weight").
  WeightMap under(std::string_view prefix) const;
  /// Keys (below the current prefix), sorted.
  std::vector<std::string> keys() const;
  /// Every tensor converted to `dtype` (floating ones only), scales multiplied in float32; shares those that have it
  /// already.
  WeightMap to(at::ScalarType dtype) const;
  WeightMap to(at::Device device) const;

  bool trainable() const noexcept { return trainable_; }
  void set_trainable(bool trainable) noexcept { trainable_ = trainable; }
  const std::map<std::string, at::Tensor>& tensors() const noexcept { return tensors_; }
  int64_t parameter_count() const;
  int64_t bytes() const;

 private:
  std::map<std::string, at::Tensor> tensors_;
  std::map<std::string, at::Tensor> scales_;
  std::string path_;  // prefix stripped so far, for messages
  bool trainable_ = false;
};

}  // namespace rushes::tensor
