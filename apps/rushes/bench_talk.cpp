// IMTalker's renderer in its published size: one picture of 512x512 from one motion latent.
#include <fmt/format.h>

#include "bench.h"
#include "rushes/models/imtalker/checkpoint.h"
#include "rushes/models/imtalker/random_weights.h"
#include "rushes/models/imtalker/renderer.h"
#include "rushes/nn/stock_operators.h"
#include "rushes/tensor/ops.h"

namespace rushes::app::bench {
namespace {

constexpr double kFlopPerFrame = 124e9;  // of the published sizes, multiplications and additions counted

}  // namespace

void bench_talk(Report& report) {
  const Setup& setup = report.setup();
  const imtalker::RendererConfig config;
  const int64_t side = config.picture_side();
  const std::string name = fmt::format("IMTalker renderer, one frame of {} x {}", side, side);
  if (setup.quick || !report.wants(name)) return;
  const tensor::WeightMap weights =
      imtalker::random_weights(imtalker::parameter_shapes(config)).to(setup.dtype).to(setup.device);
  const imtalker::Renderer renderer(config, weights);
  const imtalker::Portrait portrait = renderer.portrait(at::rand({1, 3, side, side}, setup.floats()).to(setup.dtype));
  const at::Tensor motion = at::randn({1, config.dim_motion}, setup.floats()).to(setup.dtype);
  Operation operation{.name = name, .flop = kFlopPerFrame, .tolerance = 0.1};
  operation.candidates.push_back({"rushes", [&] { return renderer.render(motion, portrait); }});
  operation.candidates.push_back({"stock", [&] {
                                    const nn::StockOperators stock;
                                    return renderer.render(motion, portrait);
                                  }});
  report.measure(operation);
}

}  // namespace rushes::app::bench
