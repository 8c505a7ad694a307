#include "rushes/models/ditto/motion_sampler.h"

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {

MotionSampler::MotionSampler(const Lmdm& model, int64_t steps) : model_(model), schedule_(steps) {
  for (const auto& step : schedule_.steps()) steps_.push_back(model.step(static_cast<double>(step.time)));
}

at::Tensor MotionSampler::guided(const Lmdm::Prediction& prediction, double guidance) {
  const at::Tensor dropped = prediction.dropped.to(at::kFloat);
  return dropped + (prediction.conditional.to(at::kFloat) - dropped) * guidance;
}

at::Tensor MotionSampler::sample(const at::Tensor& cond, const at::Tensor& cond_frame, const Noise& noise) const {
  const auto& schedule = schedule_.steps();
  require(noise.steps.size() + 1 >= schedule.size(), ErrorCode::invalid_argument,
          "sampling motion: got noise for {} steps, expected {}", noise.steps.size(), schedule.size() - 1);
  const Lmdm::Window window =
      model_.window(cond.to(model_.device(), model_.dtype()), cond_frame.to(model_.device(), model_.dtype()));
  at::Tensor x = noise.start.to(model_.device(), at::kFloat);
  for (std::size_t i = 0; i < schedule.size(); ++i) {
    const at::Tensor clean = guided(model_.forward(x, window, steps_[i]));
    x = nn::CosineDdim::advance(schedule[i], x, clean,
                                i < noise.steps.size() ? noise.steps[i].to(x.device()) : at::Tensor());
  }
  return x.to(at::kCPU);
}

}  // namespace rushes::ditto
