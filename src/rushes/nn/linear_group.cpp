#include "rushes/nn/linear_group.h"

#include "rushes/base/interruption.h"
#include "rushes/nn/few_rows.h"

namespace rushes::nn {

std::vector<at::Tensor> LinearGroup::operator()(const at::Tensor& x) const {
  std::vector<at::Tensor> out;
  out.reserve(layers_.size());
  const bool few = std::ranges::all_of(layers_, [&](const Linear& layer) { return are_few_rows(x, layer.weight()); });
  if (!few) {
    for (const Linear& layer : layers_) out.push_back(layer(x));
    return out;
  }
  base::interruption_point();
  const at::Tensor rows = x.contiguous();
  for (const Linear& layer : layers_) out.push_back(output_of(x, layer.weight().size(0)));
  by_storage(x, [&]<typename T>(T) {
    std::vector<tensor::kernels::FewRowsLayer<T>> parts;
    for (size_t i = 0; i < layers_.size(); ++i) parts.push_back(few_rows_layer<T>(layers_[i], out[i]));
    tensor::kernels::few_rows_linear<T>(rows_of(x), x.size(-1), reinterpret_cast<const T*>(rows.const_data_ptr()),
                                        parts);
  });
  return out;
}

}  // namespace rushes::nn
