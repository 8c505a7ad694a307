#include <cmath>

#include "rushes/base/log.h"
#include "rushes/models/imtalker/motion_generator.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/begin_with.h"
#include "rushes/training/face_world/face_world.h"
#include "rushes/training/imtalker/shipped_talk.h"
#include "rushes/training/imtalker/speaking_pool.h"
#include "rushes/training/imtalker/talk_training.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"

namespace rushes::training {
namespace {

constexpr double kNoAudio = 0.1;      // share of windows that know nothing of their speech, for guidance
constexpr double kShortWindow = 0.3;  // share that ends early and is filled with its last condition
constexpr double kMouthWeight = 2.0;  // of jaw, width and rounding
constexpr int64_t kMicroBatches = 4;  // of a part, each with its own flow time

/// The generator's parts for training: conditions of many windows, each given or not.
class TrainedGenerator {
 public:
  TrainedGenerator(const imtalker::GeneratorConfig& config, const tensor::WeightMap& weights)
      : config_(config),
        transformer_(config, weights.under("fmt.")),
        audio_(weights.under("audio_projection.")),
        gaze_(weights.under("gaze_projection.")),
        pose_(weights.under("pose_projection.")),
        cam_(weights.under("cam_projection.")) {}

  /// Mean squared error of the velocity at flow time t; `length` frames of the window are real.
  at::Tensor loss(const SpeakingBatch& batch, float t, int64_t length, const at::Generator& random) const {
    const int64_t p = config_.num_prev_frames, n = config_.window_frames(), B = batch.motion.size(0);
    const at::Tensor& past = batch.has_past;
    // What the past did not have is zero after projection, as in a first window.
    const at::Tensor known = at::cat({past.expand({B, p, 1}), at::ones({B, n, 1})}, 1);
    imtalker::Conditions all{audio_(batch.features) * known, gaze_(batch.gaze) * known * batch.has_gaze,
                             pose_(batch.pose) * known * batch.has_pose, cam_(batch.cam) * known * batch.has_cam};
    imtalker::Conditions current = all.narrow(p, length).padded_to(n);
    const at::Tensor hears = (at::rand({B, 1, 1}, random, batch.motion.options()) >= kNoAudio).to(at::kFloat);
    current.audio = current.audio * hears;
    const auto noise = [&](at::IntArrayRef sizes) { return at::randn(sizes, random, batch.motion.options()); };
    // Own past is never perfect.
    const at::Tensor before = (batch.motion.narrow(1, 0, p) + 0.05 * noise({B, p, config_.dim_motion})) * past;
    const at::Tensor truth = batch.motion.narrow(1, p, n), start = noise(truth.sizes());
    const at::Tensor x = (1 - t) * start + t * truth;
    const at::Tensor v = transformer_.forward(t, x, current, {before, all.narrow(0, p)},
                                              batch.reference + 0.03 * noise(batch.reference.sizes()));
    const at::Tensor weight = at::ones({kControls});
    weight.narrow(0, 10, 3).fill_(kMouthWeight);
    return ((v.narrow(1, p, length) - (truth - start).narrow(1, 0, length)).square() * weight).mean();
  }

 private:
  imtalker::GeneratorConfig config_;
  imtalker::FlowTransformer transformer_;
  imtalker::ConditionProjection audio_, gaze_, pose_, cam_;
};

SpeakingBatch part_of(const SpeakingBatch& batch, int64_t parts, std::size_t index) {
  const auto part = [&](const at::Tensor& x) { return x.chunk(parts)[index]; };
  return {part(batch.motion),   part(batch.features), part(batch.pose),    part(batch.gaze),     part(batch.cam),
          part(batch.has_pose), part(batch.has_gaze), part(batch.has_cam), part(batch.has_past), part(batch.reference)};
}

}  // namespace

void train_motion_generator(const RunOptions& options) {
  const imtalker::GeneratorConfig config = shipped_motion_generator();
  at::manual_seed(options.seed);
  std::map<std::string, at::Tensor> fresh = fresh_motion_generator(config);
  begin_with(fresh, options.directory / "face-motion.safetensors");
  Optimiser optimiser(fresh, {.learning_rate = options.learning_rate,
                              .weight_decay = 0.01,
                              .average = 0.995,
                              .warm_up_steps = 50,
                              .muon_prefix = "fmt.blocks."});
  const auto state_file = options.directory / "face-motion.state.safetensors";
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  const TrainedGenerator generator(config, optimiser.weights());
  const wav2vec::Encoder encoder(shipped_audio_encoder(),
                                 tensor::load_safetensors(options.directory / "face-audio.safetensors"));
  SpeakingPool pool(options.seed, static_cast<uint64_t>(optimiser.steps()), 768, encoder);
  pool.refill(96);
  Run run(options, "face-motion", {"loss", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    tensor::save_safetensors(options.directory / "face-motion.safetensors", optimiser.average().tensors());
  };
  const int64_t parts = parallel_parts(options.batch / kMicroBatches, options.threads);
  while (run.time_left()) {
    pool.refill(2);
    const SpeakingBatch batch = pool.batch(options.batch, config.num_prev_frames, config.window_frames());
    std::vector<double> loss(static_cast<std::size_t>(parts));
    in_parallel(parts, [&](int64_t part) {
      const auto index = static_cast<std::size_t>(part);
      Random random(options.seed ^ (static_cast<uint64_t>(optimiser.steps()) << 8), static_cast<uint64_t>(part));
      const at::Generator noise = generator_of(options.seed, optimiser.steps(), part);
      const SpeakingBatch own = part_of(batch, parts, index);
      for (int64_t i = 0; i < kMicroBatches; ++i) {
        // One flow time in each quarter of 0 .. 1.
        const double t = (static_cast<double>(i) + random.uniform()) / kMicroBatches;
        const int64_t length =
            random.uniform() < kShortWindow ? 1 + random.below(config.window_frames()) : config.window_frames();
        const at::Tensor one = generator.loss(part_of(own, kMicroBatches, static_cast<std::size_t>(i)),
                                              static_cast<float>(t), length, noise);
        (one / static_cast<double>(parts * kMicroBatches)).backward();
        loss[index] += one.item<double>() / kMicroBatches;
      }
    });
    const double gradient = optimiser.step(run.schedule());
    run.record(optimiser.steps(), {mean_of(loss), gradient}, 20);
    if (run.due()) save();
  }
  save();
}

}  // namespace rushes::training
