#include "rushes/tensor/weight_map.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor {

const at::Tensor& WeightMap::at(std::string_view key) const {
  const auto found = tensors_.find(std::string(key));
  require(found != tensors_.end(), ErrorCode::corrupt_data, "the weights have no tensor '{}{}'", path_, key);
  return found->second;
}

const at::Tensor& WeightMap::at(std::string_view key, std::initializer_list<int64_t> shape) const {
  const at::Tensor& tensor = at(key);
  const auto sizes = tensor.sizes();
  const bool fits = sizes.size() == shape.size() &&
                    std::equal(shape.begin(), shape.end(), sizes.begin(),
                               [](int64_t wanted, int64_t have) { return wanted < 0 || wanted == have; });
  require(fits, ErrorCode::corrupt_data, "tensor '{}{}' has shape [{}], expected [{}]", path_, key,
          fmt::join(sizes.begin(), sizes.end(), ", "), fmt::join(shape, ", "));
  return tensor;
}

bool WeightMap::contains(std::string_view key) const { return tensors_.count(std::string(key)) > 0; }

void WeightMap::set(const std::string& key, at::Tensor value) {
  tensors_.insert_or_assign(key, std::move(value));
  scales_.erase(key);
}

void WeightMap::set_scaled(const std::string& key, at::Tensor value, at::Tensor scale) {
  set(key, std::move(value));
  scales_.insert_or_assign(key, std::move(scale));
}

WeightMap WeightMap::under(std::string_view prefix) const {
  WeightMap part;
  part.path_ = path_ + std::string(prefix);
  part.trainable_ = trainable_;
  for (auto it = tensors_.lower_bound(std::string(prefix)); it != tensors_.end() && it->first.starts_with(prefix); ++it)
    part.tensors_.emplace(it->first.substr(prefix.size()), it->second);
  for (auto it = scales_.lower_bound(std::string(prefix)); it != scales_.end() && it->first.starts_with(prefix); ++it)
    part.scales_.emplace(it->first.substr(prefix.size()), it->second);
  return part;
}

std::vector<std::string> WeightMap::keys() const {
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const auto& [key, tensor] : tensors_) names.push_back(key);
  return names;
}

WeightMap WeightMap::to(at::ScalarType dtype) const {
  WeightMap converted(*this);
  for (auto& [key, tensor] : converted.tensors_) {
    if (const auto scale = scales_.find(key); scale != scales_.end())
      tensor = at::mul(tensor.to(at::kFloat), scale->second.to(at::kFloat));
    if (tensor.is_floating_point()) tensor = tensor.to(dtype);
  }
  converted.scales_.clear();
  return converted;
}

WeightMap WeightMap::to(at::Device device) const {
  WeightMap moved(*this);
  for (auto& [key, tensor] : moved.tensors_) tensor = tensor.to(device);
  return moved;
}

int64_t WeightMap::parameter_count() const {
  int64_t count = 0;
  for (const auto& [key, tensor] : tensors_) count += tensor.numel();
  return count;
}

int64_t WeightMap::bytes() const {
  int64_t total = 0;
  for (const auto& [key, tensor] : tensors_) total += static_cast<int64_t>(tensor.nbytes());
  return total;
}

}  // namespace rushes::tensor
