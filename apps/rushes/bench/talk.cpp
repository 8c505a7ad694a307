// IMTalker's renderer in its published size: pictures of 512x512 from motion latents, a few at a time as streams make
// them.
#include <fmt/format.h>

#include "bench.h"
#include "rushes/models/imtalker/checkpoint.h"
#include "rushes/models/imtalker/random_weights.h"
#include "rushes/models/imtalker/renderer.h"
#include "rushes/nn/stock_operators.h"
#include "rushes/tensor/ops.h"
#include "stock_renderer.h"

namespace rushes::app::bench {
namespace {

constexpr int64_t kFrames = 4;
constexpr double kFlopPerFrame = 124e9;  // of the published sizes, multiplications and additions counted

}  // namespace

void bench_talk(Report& report) {
  const Setup& setup = report.setup();
  const imtalker::RendererConfig config;
  const int64_t side = config.picture_side();
  const std::string name = fmt::format("IMTalker renderer, {} frames of {} x {}", kFrames, side, side);
  if (setup.quick || !report.wants(name)) return;
  const tensor::WeightMap weights =
      imtalker::renderer_weights_in(setup.dtype, imtalker::random_weights(imtalker::parameter_shapes(config)))
          .to(setup.device);
  const imtalker::Renderer renderer(config, weights);
  const at::Tensor picture = at::rand({1, 3, side, side}, setup.floats());
  const imtalker::Portrait portrait = renderer.portrait(picture);
  const at::Tensor motion = at::randn({kFrames, config.dim_motion}, setup.floats());
  Operation operation{.name = name, .flop = kFrames * kFlopPerFrame, .tolerance = 0.1};
  operation.candidates.push_back({"rushes", [&] { return renderer.render(motion, portrait); }});
  operation.candidates.push_back({"ours with stock attention", [&] {
                                    const nn::StockOperators stock;
                                    return renderer.render(motion, portrait);
                                  }});
  std::optional<StockRenderer> published;
  StockRenderer::Source source;
  if (setup.dtype == at::kFloat) {
    const c10::InferenceMode inference;
    source = published.emplace(config, weights).source(picture);
    operation.candidates.push_back({"published graph", [&] {
                                      const c10::InferenceMode quiet;
                                      return published->frames(motion, source);
                                    }});
  }
  report.measure(operation);
}

}  // namespace rushes::app::bench
