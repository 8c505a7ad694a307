#include "rushes/verify/stock_deviation.h"

#include "rushes/base/error.h"
#include "rushes/nn/stock_operators.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/sampled.h"

namespace rushes::verify {

std::map<std::string, Deviation> stock_deviations(const Case& c) {
  const nn::StockOperators stock;
  const auto runner = runners().find({c.system, c.kind});
  require(runner != runners().end(), ErrorCode::unsupported, "this build has no runner for kind '{}' of system '{}'",
          c.kind, c.system);
  const Produced produced = runner->second(c);
  std::map<std::string, Deviation> deviations;
  for (const auto& [name, wanted] : c.expected) {
    const at::Tensor got = sampled(c, name, wanted.sizes(), produced);
    const bool is_rounded = wanted.is_floating_point() || wanted.scalar_type() == at::kByte;
    if (!is_rounded || wanted.numel() == 0 || !got.defined() || got.sizes() != wanted.sizes()) continue;
    const at::Tensor b = wanted.to(at::kDouble), error = got.to(at::kCPU, at::kDouble) - b;
    const double norm = b.norm().item<double>();
    deviations[name] = {error.abs().max().item<double>(), error.norm().item<double>() / (norm > 0 ? norm : 1.0)};
  }
  return deviations;
}

}  // namespace rushes::verify
