// Ditto's networks in their published sizes, beside the graph as it is published.
#include <fmt/format.h>

#include "bench.h"
#include "rushes/models/ditto/appearance_extractor.h"
#include "rushes/models/ditto/checkpoint.h"
#include "rushes/models/ditto/motion_noise.h"
#include "rushes/models/ditto/motion_sampler.h"
#include "rushes/models/ditto/pose.h"
#include "rushes/models/ditto/random_weights.h"
#include "rushes/models/ditto/spade_decoder.h"
#include "rushes/models/ditto/warp_network.h"
#include "rushes/tensor/ops.h"
#include "stock_portrait.h"

namespace rushes::app::bench {
namespace {

// Multiplications and additions counted, of the published sizes and as they are published: ours are fewer.
constexpr double kWarpFlop = 2 * 171e9, kDecoderFlop = 2 * 446e9, kAppearanceFlop = 2 * 32e9,
                 kMotionStepFlop = 2 * 2.57e9;
constexpr int64_t kSteps = 10, kHeads = 8;

tensor::WeightMap weights_of(const char* part, const Setup& setup) {
  return ditto::random_weights(ditto::parameter_shapes(part, {}), 1).to(setup.dtype).to(setup.device);
}

void bench_frame(Report& report) {
  const Setup& setup = report.setup();
  const auto warp_weights = weights_of("warp_network", setup), decoder_weights = weights_of("decoder", setup);
  const ditto::WarpNetwork warp(warp_weights);
  const ditto::SpadeDecoder decoder(decoder_weights);
  const StockPortrait stock(warp_weights, decoder_weights);
  const at::Tensor feature = at::randn({1, 32, 16, 64, 64}, setup.floats()).to(setup.dtype);
  const at::Tensor source = 0.3 * at::randn({1, ditto::kKeypoints, 3}, setup.floats()),
                   driving = source + 0.05 * at::randn({1, ditto::kKeypoints, 3}, setup.floats());
  const at::Tensor bent = warp.forward(feature, source, driving);
  const auto measure = [&](const char* name, double flop, std::function<at::Tensor()> ours,
                           std::function<at::Tensor()> published) {
    if (report.wants(name))
      report.measure({.name = name,
                      .flop = flop,
                      .tolerance = 0.1,
                      .candidates = {{"rushes", std::move(ours)}, {"published graph", std::move(published)}}});
  };
  measure(
      "Ditto warp network, one frame", kWarpFlop, [&] { return warp.forward(feature, source, driving); },
      [&] { return stock.warped(feature, source, driving); });
  measure(
      "Ditto decoder, one frame of 512 x 512", kDecoderFlop, [&] { return decoder.forward(bent); },
      [&] { return stock.decoded(bent); });
}

void bench_motion(Report& report) {
  const Setup& setup = report.setup();
  const std::string name = fmt::format("Ditto motion, a window of 80 frames in {} steps", kSteps);
  if (!report.wants(name)) return;
  const ditto::Sizes sizes;
  const ditto::Lmdm model(weights_of("lmdm", {.device = setup.device, .dtype = at::kFloat}), kHeads);
  const ditto::MotionSampler sampler(model, kSteps);
  ditto::MotionNoise noise(1, kSteps, sizes.frames, ditto::kMotion);
  const at::Tensor start = noise.next_start(), rows = at::randn({1, sizes.frames, sizes.condition}),
                   frame = at::randn({1, ditto::kMotion});
  report.measure({.name = name,
                  .flop = 2 * kSteps * kMotionStepFlop,
                  .candidates = {{"rushes", [&] {
                                    return sampler.sample(rows, frame, {start, noise.steps()});
                                  }}}});
}

void bench_appearance(Report& report) {
  const Setup& setup = report.setup();
  const char* name = "Ditto appearance extractor, one picture of 256 x 256";
  if (!report.wants(name)) return;
  const ditto::AppearanceExtractor extractor(
      weights_of("appearance_extractor", {.device = setup.device, .dtype = at::kFloat}), 16);
  const at::Tensor picture = at::rand({1, 3, 256, 256}, setup.floats());
  report.measure(
      {.name = name, .flop = kAppearanceFlop, .candidates = {{"rushes", [&] { return extractor.forward(picture); }}}});
}

}  // namespace

void bench_portrait(Report& report) {
  if (report.setup().quick) return;
  bench_frame(report);
  bench_motion(report);
  bench_appearance(report);
}

}  // namespace rushes::app::bench
