// One update of a training loop whose parts of a batch are computed side by side.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

#include "rushes/training/optimiser.h"
#include "rushes/training/run.h"

namespace rushes::training {

struct Update {
  double loss;      // mean over the parts, before the update
  double gradient;  // its norm before clipping
};

/// Moves the weights by the mean of loss(0) .. loss(parts - 1), scalars with gradients, all of them called at once;
/// `run` sets the learning rate. Throws what one of them threw, with the weights as they were.
Update update(Optimiser& optimiser, int64_t parts, const Run& run, const std::function<at::Tensor(int64_t)>& loss);

}  // namespace rushes::training
