#include <fmt/format.h>

#include <cmath>

#include "rushes/base/log.h"
#include "rushes/models/imtalker/encoders.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/begin_with.h"
#include "rushes/training/drawing.h"
#include "rushes/training/face_world/face_world.h"
#include "rushes/training/imtalker/shipped_talk.h"
#include "rushes/training/imtalker/talk_training.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"

namespace rushes::training {
namespace {

constexpr int64_t kPixels = 3 * kFaceSide * kFaceSide;

at::Tensor draw_row(uint64_t seed, uint64_t index, Split split) {
  Random random(seed ^ 0x4ead, index);
  const Identity identity = make_identity(seed, index, split);
  const FaceControls controls = random.uniform() < 0.5 ? portrait_controls(random) : random_controls(random);
  return at::cat({draw_face(identity, controls).flatten(), motion_latent(controls)});
}

at::Tensor pictures_of(const at::Tensor& rows) {
  return rows.narrow(1, 0, kPixels).reshape({-1, 3, kFaceSide, kFaceSide});
}

/// Reads the controls off the map of a middle block cell by cell. What is left at the end of a random encoder tells
/// nothing about what moves, and thousands of updates find nothing; this head learns at once where things are and
/// teaches the layers below it, from whose maps the later blocks learn. It does not ship.
const std::string kMapHead = "map_head";
constexpr std::size_t kMapBlock = 3;

void add_map_head(std::map<std::string, at::Tensor>& held, const imtalker::RendererConfig& config) {
  const int64_t side = config.picture_side() >> (kMapBlock + 1);
  held[kMapHead + ".weight"] = at::zeros({kControls, config.motion_encoder_channels.at(kMapBlock) * side * side});
  held[kMapHead + ".bias"] = at::zeros({kControls});
}

struct Reading {
  at::Tensor at_end, of_map;  // squared errors, [B, kControls]
};

Reading read_error(const tensor::WeightMap& weights, const at::Tensor& rows) {
  const imtalker::MotionEncoder encoder(shipped_renderer(), weights.under("latent_token_encoder."));
  const std::vector<at::Tensor> maps = encoder.maps(pictures_of(rows));
  const at::Tensor truth = rows.narrow(1, kPixels, kControls);
  const at::Tensor cells = maps[kMapBlock].flatten(1) / std::sqrt(static_cast<double>(maps[kMapBlock][0].numel()));
  const at::Tensor by_cell = at::linear(cells, weights.at(kMapHead + ".weight"), weights.at(kMapHead + ".bias"));
  return {(encoder.read(maps.back()) - truth).square(), (by_cell - truth).square()};
}

std::string explained(const at::Tensor& error, const at::Tensor& truth) {
  const at::Tensor share = 1 - error.mean({0}) / (truth - truth.mean({0}, true)).square().mean({0});
  std::string line;
  for (int64_t i = 0; i < kControls; ++i) line += fmt::format(" {:.2f}", share[i].item<double>());
  return line;
}

/// A random encoder sees the ground and the hair: what all pictures share and what moves in them is lost beside it, and
/// hundreds of updates find nothing. So pictures are centred, and the means over the last map begin whitened over
/// people.
void whiten(std::map<std::string, at::Tensor>& tensors, uint64_t seed) {
  const at::NoGradGuard no_grad;
  const std::string encoder = "latent_token_encoder.";
  tensors.at(encoder + "conv1.bias").copy_(-0.5 * tensors.at(encoder + "conv1.weight").sum({1, 2, 3}));
  at::Tensor weight = tensors.at(encoder + "equalconv.weight"), bias = tensors.at(encoder + "equalconv.bias");
  const int64_t C = weight.size(0);
  std::map<std::string, at::Tensor> headless;  // only the means
  for (const auto& [key, value] : tensors)
    if (key.starts_with(encoder) && key.find("linear") == std::string::npos) headless[key] = value;
  headless[encoder + "final_linear.weight"] = std::sqrt(static_cast<double>(C)) * at::eye(C);
  headless[encoder + "final_linear.bias"] = at::zeros({C});
  const tensor::WeightMap weights(headless);
  const imtalker::MotionEncoder means(shipped_renderer(), weights.under(encoder));
  std::vector<at::Tensor> seen;
  for (uint64_t i = 0; i < 256; ++i)
    seen.push_back(means.forward(pictures_of(draw_row(seed, i, Split::train).unsqueeze(0))));
  const at::Tensor z = at::cat(seen), mean = z.mean({0}), centred = z - mean;
  const at::Tensor covariance = at::mm(centred.t(), centred) / static_cast<double>(seen.size());
  const double spread = (covariance * at::eye(C)).sum().item<double>() / static_cast<double>(C);
  const at::Tensor w = whitening(covariance + 0.03 * spread * at::eye(C));
  bias.copy_(at::matmul(w, bias - mean));
  weight.copy_(at::matmul(w, weight.flatten(1)).view(weight.sizes()));
  tensors.at(encoder + "final_linear.weight").mul_(0.2);
}

}  // namespace

void train_motion_encoder(const RunOptions& options) {
  at::manual_seed(options.seed);
  const auto state_file = options.directory / "face-motion-encoder.state.safetensors";
  std::map<std::string, at::Tensor> fresh = fresh_renderer(shipped_renderer());
  if (begin_with(fresh, options.directory / "face-motion-encoder.safetensors") == 0) whiten(fresh, options.seed);
  std::map<std::string, at::Tensor> held = held_for_training(fresh, RendererPart::motion_encoder);
  add_map_head(held, shipped_renderer());
  Optimiser optimiser(
      held, {.learning_rate = options.learning_rate, .weight_decay = 0.0, .average = 0.99, .warm_up_steps = 30});
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  Run run(options, "face-motion-encoder", {"error", "map_error", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    const tensor::WeightMap average = presented(optimiser.average());
    std::map<std::string, at::Tensor> shipped = average.tensors();
    std::erase_if(shipped, [](const auto& entry) { return entry.first.starts_with(kMapHead); });
    tensor::save_safetensors(options.directory / "face-motion-encoder.safetensors", shipped);
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> rows;
    for (uint64_t i = 0; i < 64; ++i) rows.push_back(draw_row(options.seed, i, Split::held_out));
    const at::Tensor held_out = at::stack(rows), truth = held_out.narrow(1, kPixels, kControls);
    const Reading reading = read_error(average, held_out);
    log::info("held-out people: variance explained{}; cell by cell{}", explained(reading.at_end, truth),
              explained(reading.of_map, truth));
  };
  const uint64_t first = static_cast<uint64_t>(optimiser.steps()) * static_cast<uint64_t>(options.batch);
  Drawing drawing([seed = options.seed](uint64_t index) { return draw_row(seed, index, Split::train); }, first,
                  options.batch);
  const int64_t parts = parallel_parts(options.batch, options.threads);
  while (run.time_left()) {
    const at::Tensor batch = drawing.next_batch();
    std::vector<double> loss(static_cast<std::size_t>(parts)), map_loss(loss.size());
    in_parallel(parts, [&](int64_t part) {
      const auto index = static_cast<std::size_t>(part);
      const Reading reading = read_error(presented(optimiser.weights()), batch.chunk(parts)[index]);
      const at::Tensor at_end = reading.at_end.mean(), of_map = reading.of_map.mean();
      ((at_end + of_map) / static_cast<double>(parts)).backward();
      loss[index] = at_end.item<double>();
      map_loss[index] = of_map.item<double>();
    });
    const double gradient = optimiser.step(run.schedule());
    run.record(optimiser.steps(), {mean_of(loss), mean_of(map_loss), gradient}, 10);
    if (run.due()) save();
  }
  save();
}

}  // namespace rushes::training
