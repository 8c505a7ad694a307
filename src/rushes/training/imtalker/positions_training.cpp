#include <cmath>

#include <fmt/format.h>

#include "rushes/base/log.h"
#include "rushes/models/imtalker/encoders.h"
#include "rushes/models/imtalker/motion_decoder.h"
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

constexpr int64_t kCells = 32, kDrivers = 4;
constexpr int64_t kPositions = 3 * kCells * kCells;
/// Rows of the finest attention that a step looks at: around the mouth, in the square of eyes and mouth, anywhere.
constexpr int64_t kAtMouth = 100, kInFace = 60, kAnywhere = 60;
constexpr double kMouthWeight = 4;  // extra weight of cells that show the inside of the mouth
constexpr double kOpenWeight = 3;   // of the question whether they do

/// The motion of a source, then of its drivers each with where its cells come from.
at::Tensor draw_motions(uint64_t seed, uint64_t index) {
  Random random(seed ^ 0x91ace, index);
  const Identity identity = make_identity(seed, index, Split::train);
  FaceControls source = portrait_controls(random);
  calm(source, {}, 0.4f);
  std::vector<at::Tensor> row{motion_latent(source)};
  for (int64_t i = 0; i < kDrivers; ++i) {
    FaceControls moved = random_controls(random);
    calm(moved, random.uniform() < 0.7 ? source : FaceControls{}, 0.4f);
    row.push_back(motion_latent(moved));
    row.push_back(correspondence(identity, source, moved, kCells).flatten());
  }
  return at::cat(row);
}

/// The places of a grid `ratio` times coarser, [B, side^2, 3].
at::Tensor coarser(const at::Tensor& positions, int64_t ratio) {
  if (ratio == 1) return positions;
  const at::Tensor grid = positions.view({-1, kCells, kCells, 3}).permute({0, 3, 1, 2});
  const at::Tensor pooled = at::avg_pool2d(grid, ratio).flatten(2).transpose(1, 2);
  const double half = 0.5 * static_cast<double>(ratio - 1), size = static_cast<double>(ratio);
  return at::cat({(pooled.narrow(2, 0, 2) - half) / size, pooled.narrow(2, 2, 1)}, 2);
}

/// The cells of rows `top` .. `bottom` and columns `left` .. `right`.
at::Tensor cells_between(int64_t top, int64_t bottom, int64_t left, int64_t right) {
  std::vector<int64_t> cells;
  for (int64_t y = top; y <= bottom; ++y)
    for (int64_t x = left; x <= right; ++x) cells.push_back(kCells * y + x);
  return at::tensor(at::ArrayRef<int64_t>(cells), at::TensorOptions(at::kLong));
}

at::Tensor some_of(const at::Tensor& cells, int64_t count, at::Generator random) {
  return cells.index_select(0, at::randperm(cells.size(0), random, cells.options()).narrow(0, 0, count));
}

struct Looks {
  at::Tensor loss;
  double open, shut;  // share of the attention on kMouthCell where the mouth is open, and where nothing is
};

/// Cross entropy of attention logits [B, N, R, L] against the four cells around `places` [B, R, 3] of a grid of `side`;
/// as far as the cell shows the inside of the mouth, against kMouthCell.
Looks look(const at::Tensor& logits, const at::Tensor& positions, int64_t side) {
  const at::Tensor inside = positions.narrow(2, 2, 1);
  const at::Tensor xy = positions.narrow(2, 0, 2).clamp(0, static_cast<double>(side) - 1.001), low = xy.floor(),
                   share = xy - low;
  std::vector<at::Tensor> index{at::full_like(inside, static_cast<double>(kMouthCell))}, weight{inside};
  for (const int64_t dx : {0, 1})
    for (const int64_t dy : {0, 1}) {
      index.push_back((low.narrow(2, 1, 1) + dy) * side + low.narrow(2, 0, 1) + dx);
      weight.push_back((1 - inside) * (dx == 1 ? share.narrow(2, 0, 1) : 1 - share.narrow(2, 0, 1)) *
                       (dy == 1 ? share.narrow(2, 1, 1) : 1 - share.narrow(2, 1, 1)));
    }
  const at::Tensor log_p = at::log_softmax(logits, -1);
  const at::Tensor cells = at::cat(index, 2).to(at::kLong).unsqueeze(1).expand({-1, logits.size(1), -1, -1});
  const at::Tensor found = at::gather(log_p, 3, cells);
  const at::Tensor error = -(found * at::cat(weight, 2).unsqueeze(1)).sum({3}).mean({1});  // [B, R]
  const at::Tensor mark = found.select(3, 0).exp().mean({1}).clamp(1e-5, 1 - 1e-4), in = inside.squeeze(2);
  const at::Tensor opened = -(in * mark.log() + (1 - in) * (1 - mark).log()), mouth = mark.detach();
  const auto where = [&](const at::Tensor& mask) {
    return ((mouth * mask).sum() / (mask.sum() + 1e-6)).item<double>();
  };
  return {(error * (1 + kMouthWeight * in) + kOpenWeight * opened).mean(), where(in.gt(0.7).to(at::kFloat)),
          where(in.eq(0).to(at::kFloat))};
}

}  // namespace

void train_positions(const RunOptions& options) {
  const imtalker::RendererConfig config = shipped_renderer();
  at::manual_seed(options.seed);
  std::map<std::string, at::Tensor> fresh = fresh_renderer(config);
  begin_with(fresh, options.directory / "face-places.safetensors");
  Optimiser optimiser(
      held_for_training(fresh, RendererPart::positions),
      {.learning_rate = options.learning_rate, .weight_decay = 0.0, .average = 0.98, .warm_up_steps = 30});
  const auto state_file = options.directory / "face-places.state.safetensors";
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  Run run(options, "face-places", {"loss", "finest", "open", "shut", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    std::map<std::string, at::Tensor> tensors = presented(optimiser.average()).tensors();
    // Places are those of the average person: whoever it is stays unheard until someone trains it.
    tensors.at("adapt.in_layer.weight").narrow(1, config.dim_motion, config.dim_app).zero_();
    tensor::save_safetensors(options.directory / "face-places.safetensors", tensors);
  };
  const uint64_t first = static_cast<uint64_t>(optimiser.steps()) * static_cast<uint64_t>(options.batch);
  Drawing drawing([seed = options.seed](uint64_t index) { return draw_motions(seed, index); }, first, options.batch);
  const at::Tensor mouth = cells_between(16, 26, 10, 21), face = cells_between(11, 27, 7, 24),
                   all = cells_between(0, kCells - 1, 0, kCells - 1), nobody = at::zeros({1, config.dim_app});
  const int64_t parts = parallel_parts(options.batch, options.threads), N = config.num_heads;
  while (run.time_left()) {
    const at::Tensor batch = drawing.next_batch();
    std::vector<double> loss(static_cast<std::size_t>(parts)), finest(loss.size()), open(loss.size()),
        shut(loss.size());
    in_parallel(parts, [&](int64_t part) {
      const at::Tensor rows = batch.chunk(parts)[static_cast<std::size_t>(part)];
      const at::Tensor reference = rows.narrow(1, 0, kControls),
                       moves = rows.narrow(1, kControls, kDrivers * (kControls + kPositions))
                                   .reshape({-1, kControls + kPositions});
      const at::Tensor positions = moves.narrow(1, kControls, kPositions).reshape({-1, kCells * kCells, 3});
      const tensor::WeightMap weights = presented(optimiser.weights());
      const imtalker::IdentityAdaptation adapt(config, weights.under("adapt."));
      const imtalker::MotionDecoder decoder(config, weights.under("latent_token_decoder."));
      const auto maps = [&](const at::Tensor& motion) { return decoder.forward(adapt.forward(motion, nobody)); };
      const std::vector<at::Tensor> at_rest = maps(reference), moved = maps(moves.narrow(1, 0, kControls));
      const at::Generator random = generator_of(options.seed, optimiser.steps(), part);
      const at::Tensor chosen =
          at::cat({some_of(mouth, kAtMouth, random), some_of(face, kInFace, random), some_of(all, kAnywhere, random)});
      at::Tensor total;
      for (int64_t level = 0; level < config.coarse_levels(); ++level) {
        const auto l = static_cast<std::size_t>(level);
        const tensor::WeightMap own = weights.under(fmt::format("imt.{}.block_efc.", level));
        const auto heads = [&](const char* name, const at::Tensor& map, const at::Tensor& rows_of_interest) {
          at::Tensor x = map.flatten(2).transpose(1, 2);
          if (rows_of_interest.defined()) x = x.index_select(1, rows_of_interest);
          x = at::linear(x, own.at(std::string(name) + ".weight"), own.at(std::string(name) + ".bias"));
          return x.reshape({x.size(0), x.size(1), N, -1}).transpose(1, 2);
        };
        const bool is_finest = level + 1 == config.coarse_levels();
        const at::Tensor q = heads("q_proj", moved[l], is_finest ? chosen : at::Tensor()),
                         k = at::repeat_interleave(heads("k_proj", at_rest[l], {}), kDrivers, 0);
        const at::Tensor logits = at::matmul(q, k.transpose(-1, -2)) / std::sqrt(static_cast<double>(q.size(3)));
        at::Tensor wanted = coarser(positions, kCells / config.side(level));
        if (is_finest) wanted = wanted.index_select(1, chosen);
        const Looks looks = look(logits, wanted, config.side(level));
        total = total.defined() ? total + looks.loss : 0.3 * looks.loss;
        if (is_finest) {
          const auto index = static_cast<std::size_t>(part);
          finest[index] = looks.loss.item<double>(), open[index] = looks.open, shut[index] = looks.shut;
        }
      }
      (total / static_cast<double>(parts)).backward();
      loss[static_cast<std::size_t>(part)] = total.item<double>();
    });
    const double gradient = optimiser.step(run.schedule());
    run.record(optimiser.steps(), {mean_of(loss), mean_of(finest), mean_of(open), mean_of(shut), gradient}, 10);
    if (run.due()) save();
  }
  save();
}

}  // namespace rushes::training
