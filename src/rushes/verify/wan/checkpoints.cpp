// Runners of cases that are checkpoint files in forms that others publish.
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

/// Weights of 8 bits with scales: the outputs are what a model would compute with.
Produced fp8_scaled(const Case& c) {
  const std::string file = c.hyper.at("file"), prefix = c.hyper.value("prefix", "");
  const auto checkpoint = tensor::load_checkpoint(c.directory / file);
  tensor::Shapes shapes;
  for (const auto& [name, recorded] : c.expected) shapes[name] = recorded.sizes().vec();
  return {tensor::take_complete(checkpoint.tensors.under(prefix), shapes, c.name).to(at::kFloat).tensors(), {}};
}

}  // namespace

void add_wan_checkpoints(Registry& registry) { registry[{"wan_long", "fp8_scaled"}] = fp8_scaled; }

}  // namespace rushes::verify
