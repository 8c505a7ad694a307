#include "rushes/models/ditto/motion_sampler.h"

#include <gtest/gtest.h>

#include "rushes/models/ditto/checkpoint.h"
#include "rushes/models/ditto/pose.h"
#include "rushes/models/ditto/random_weights.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {
namespace {

Sizes small(int64_t width) {
  Sizes sizes;
  sizes.width = width;
  sizes.wide = 2 * width;
  sizes.frames = 20;
  sizes.condition = 40;
  sizes.condition_layers = 1;
  sizes.layers = 2;
  return sizes;
}

TEST(MotionSampler, a_window_is_to_the_bit_the_same_beside_others_and_alone) {
  for (const int64_t width : {8, 96, 128}) {
    SCOPED_TRACE(width);
    const Lmdm model(random_weights(parameter_shapes("lmdm", small(width)), 0), 2);
    const MotionSampler sampler(model, 4);
    const at::Tensor rows = at::randn({3, 20, 40}), frames = at::randn({3, kMotion}),
                     start = at::randn({3, 20, kMotion});
    const std::vector<at::Tensor> steps = at::randn({3, 3, 20, kMotion}).unbind(0);
    const Lmdm::Window window = model.window(rows, frames);
    const Lmdm::Prediction all = model.forward(start, window, model.step(500));
    const at::Tensor motion = sampler.sample(rows, frames, {start, steps});
    for (int64_t i = 0; i < 3; ++i) {
      const auto own = [&](const at::Tensor& of) { return of.narrow(0, i, 1); };
      const Lmdm::Window alone = model.window(own(rows), own(frames));
      EXPECT_TRUE(at::equal(own(window.frame), alone.frame)) << "frame";
      EXPECT_TRUE(at::equal(own(window.hidden), alone.hidden.narrow(0, 0, 1))) << "hidden";
      for (std::size_t layer = 0; layer < alone.layers.size(); ++layer)
        EXPECT_TRUE(at::equal(own(window.layers[layer].k), alone.layers[layer].k.narrow(0, 0, 1)))
            << "keys of layer " << layer;
      const Lmdm::Prediction one = model.forward(own(start), alone, model.step(500));
      EXPECT_TRUE(at::equal(own(all.conditional), one.conditional)) << "conditional";
      EXPECT_TRUE(at::equal(own(all.dropped), one.dropped)) << "dropped";
      std::vector<at::Tensor> own_steps;
      for (const at::Tensor& step : steps) own_steps.push_back(own(step));
      EXPECT_TRUE(at::equal(own(motion), sampler.sample(own(rows), own(frames), {own(start), own_steps})));
    }
  }
}

}  // namespace
}  // namespace rushes::ditto
