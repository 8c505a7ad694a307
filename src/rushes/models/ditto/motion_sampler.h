// Samples a window of motion.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "rushes/models/ditto/lmdm.h"
#include "rushes/nn/ddim.h"

namespace rushes::ditto {

/// A schedule with what the model computes for each of its steps, for all windows. Any thread: no state.
class MotionSampler {
 public:
  static constexpr double kGuidance = 2.0;

  /// Borrows `model`, which must outlive it.
  MotionSampler(const Lmdm& model, int64_t steps);

  /// Where noise comes from: `start` [B, T, N], and `steps` - 1 tensors of that shape (or [1, T, N]) that are added on
  /// the way, the same for every window of a session. float32.
  struct Noise {
    at::Tensor start;
    std::vector<at::Tensor> steps;
  };
  /// cond [B, T, A], cond_frame as Lmdm::window(). Returns motion [B, T, N] float32.
  /// Throws Error(invalid_argument) for noise of another number of steps.
  at::Tensor sample(const at::Tensor& cond, const at::Tensor& cond_frame, const Noise& noise) const;

  /// dropped + guidance (conditional - dropped), float32.
  static at::Tensor guided(const Lmdm::Prediction& prediction, double guidance = kGuidance);
  const nn::CosineDdim& schedule() const noexcept { return schedule_; }

 private:
  const Lmdm& model_;
  nn::CosineDdim schedule_;
  std::vector<Lmdm::Step> steps_;
};

}  // namespace rushes::ditto
