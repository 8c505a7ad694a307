#include "rushes/training/begin_with.h"

#include "rushes/base/error.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::training {

int64_t begin_with(std::map<std::string, at::Tensor>& tensors, const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return 0;
  const tensor::WeightMap earlier = tensor::load_safetensors(file);
  int64_t taken = 0;
  for (auto& [key, value] : tensors) {
    if (!earlier.contains(key)) continue;
    require(earlier.at(key).sizes() == value.sizes(), ErrorCode::corrupt_data,
            "{}: '{}' belongs to a model with other dimensions; choose another folder for the training", file.string(),
            key);
    value = earlier.at(key).to(at::kFloat);
    ++taken;
  }
  return taken;
}

}  // namespace rushes::training
