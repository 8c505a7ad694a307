#include <cmath>

#include "rushes/base/log.h"
#include "rushes/models/ditto/conditions.h"
#include "rushes/models/ditto/lmdm.h"
#include "rushes/models/ditto/motion_sampler.h"
#include "rushes/models/ditto/pose.h"
#include "rushes/models/wav2vec/encoder.h"
#include "rushes/nn/ddim.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/begin_with.h"
#include "rushes/training/ditto/ditto_training.h"
#include "rushes/training/ditto/motion_pool.h"
#include "rushes/training/ditto/shipped_ditto.h"
#include "rushes/training/imtalker/shipped_talk.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"

namespace rushes::training {
namespace {

constexpr int64_t kSteps = 10;        // of the sampler, by default
constexpr double kAtSteps = 0.6;      // share of the updates at one of its times
constexpr double kDropped = 0.4;      // weight of the branch without conditions
constexpr int64_t kMicroBatches = 4;  // of a part, each with its own time
constexpr double kLipsWeight = 3.0;
constexpr double kLeastSpread = 0.01;  // of a number of motion: what moves less does not move

/// How much each number counts: in its spread, an angle's 66 logits as one number, what does not move nothing.
at::Tensor weights_of(const at::Tensor& spread) {
  at::Tensor share = at::ones({ditto::kMotion});
  share.narrow(0, 1, 3 * ditto::kBins).fill_(2.0 / ditto::kBins);
  at::Tensor exp = share.narrow(0, ditto::kPose, ditto::kExpression).view({ditto::kKeypoints, 3});
  for (const int64_t lips : {14, 17, 19, 20}) exp[lips].fill_(kLipsWeight);
  return share / spread.square();
}

/// The last layer is trained in spreads from the mean, so that numbers of a hundredth and of one are learned alike.
struct Scale {
  at::Tensor mean, spread;

  tensor::WeightMap presented(const tensor::WeightMap& held, const Tensors& fixed) const {
    Tensors all = held.tensors();
    all.insert(fixed.begin(), fixed.end());
    all["final_layer.weight"] = held.at("final_layer.weight") * spread.unsqueeze(1);
    all["final_layer.bias"] = held.at("final_layer.bias") * spread + mean;
    tensor::WeightMap weights(std::move(all));
    weights.set_trainable(held.trainable());
    return weights;
  }
  void hold(Tensors& tensors) const {
    tensors.at("final_layer.weight") = tensors.at("final_layer.weight") / spread.unsqueeze(1);
    tensors.at("final_layer.bias") = (tensors.at("final_layer.bias") - mean) / spread;
  }
};

at::Tensor part_of(const at::Tensor& x, int64_t parts, int64_t index) {
  return x.chunk(parts)[static_cast<std::size_t>(index)];
}

/// Of a batch at one time of the schedule. The sampler takes what both branches make together, so that is what is
/// taught; the branch without conditions learns what is usual.
at::Tensor motion_loss(const ditto::Lmdm& model, const MotionBatch& batch, int64_t time, double kept,
                       const at::Tensor& weight, const at::Generator& random) {
  const auto noise = [&](at::IntArrayRef sizes) { return at::randn(sizes, random, batch.motion.options()); };
  const at::Tensor x = std::sqrt(kept) * batch.motion + std::sqrt(1 - kept) * noise(batch.motion.sizes());
  // What was read off a picture, and the own past, are not exact.
  const at::Tensor before = batch.before + 0.01 * noise(batch.before.sizes());
  const auto window = model.window(batch.conditions, before);
  const auto made = model.forward(x, window, model.step(static_cast<double>(time)));
  const at::Tensor guided = ditto::MotionSampler::guided({made.conditional, made.dropped.detach()});
  return ((guided - batch.motion).square() * weight).mean() +
         kDropped * ((made.dropped - batch.motion).square() * weight).mean();
}

}  // namespace

void train_motion_model(const RunOptions& options) {
  at::manual_seed(options.seed);
  const wav2vec::Encoder encoder(shipped_speech_encoder(),
                                 tensor::load_safetensors(options.directory / "ditto-speech.safetensors"));
  const ditto::SpeechFeatures speech(encoder, {});
  Tensors fresh = fresh_part("lmdm");
  const bool earlier = begin_with(fresh, options.directory / "ditto-motion.safetensors") > 0;
  const auto state_file = options.directory / "ditto-motion.state.safetensors";
  const int64_t begun_with = 2 * options.batch;           // clips
  MotionPool first(options.seed, 0, begun_with, speech);  // always the same: what counts how much does not change
  first.refill(begun_with);
  const Scale scale{first.mean(), first.spread().clamp_min(kLeastSpread)};
  const at::Tensor weight = weights_of(scale.spread);
  if (earlier) scale.hold(fresh);
  // Fixed tensors: the frequencies of positions.
  Tensors fixed;
  std::erase_if(fresh, [&](const auto& entry) {
    if (!entry.first.ends_with("rotary.freqs")) return false;
    fixed.insert(entry);
    return true;
  });
  Optimiser optimiser(fresh, {.learning_rate = options.learning_rate,
                              .weight_decay = 0.01,
                              .average = 0.99,
                              .warm_up_steps = 30,
                              .muon_prefix = "seqTransDecoder."});
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  MotionPool pool(options.seed, static_cast<uint64_t>(begun_with + optimiser.steps()), 512, speech);
  pool.refill(begun_with);
  Run run(options, "ditto-motion", {"loss", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    tensor::save_safetensors(options.directory / "ditto-motion.safetensors",
                             scale.presented(optimiser.average(), fixed).tensors());
    run.saved();
  };
  const nn::CosineDdim schedule(kSteps);
  const at::Tensor kept = schedule.alphas_cumprod();
  const int64_t parts = parallel_parts(options.batch / kMicroBatches, options.threads);
  while (run.time_left()) {
    if (optimiser.steps() % 2 == 0) pool.refill(1);
    const MotionBatch batch = pool.batch(options.batch, shipped_ditto_sizes().frames);
    std::vector<double> loss(static_cast<std::size_t>(parts));
    in_parallel(parts, [&](int64_t part) {
      Random random(options.seed ^ (static_cast<uint64_t>(optimiser.steps()) << 8), static_cast<uint64_t>(part));
      const at::Generator noise = generator_of(options.seed, optimiser.steps(), part);
      for (int64_t i = 0; i < kMicroBatches; ++i) {
        const auto own = [&](const at::Tensor& x) { return part_of(part_of(x, parts, part), kMicroBatches, i); };
        // Each micro-batch in its quarter of the schedule.
        const double place = (static_cast<double>(i) + random.uniform()) / kMicroBatches;
        const auto nearest = static_cast<std::size_t>(place * kSteps);
        const int64_t time =
            random.uniform() < kAtSteps ? schedule.steps().at(nearest).time : static_cast<int64_t>((1 - place) * 999);
        const ditto::Lmdm model(scale.presented(optimiser.weights(), fixed), kMotionHeads);
        const at::Tensor one = motion_loss(model, {own(batch.motion), own(batch.conditions), own(batch.before)}, time,
                                           kept.const_data_ptr<float>()[time], weight, noise);
        (one / static_cast<double>(parts * kMicroBatches)).backward();
        loss[static_cast<std::size_t>(part)] += one.item<double>() / kMicroBatches;
      }
    });
    const double gradient = optimiser.step(run.schedule());
    run.record(optimiser.steps(), {mean_of(loss), gradient}, 20);
    if (run.due()) save();
  }
  save();
}

}  // namespace rushes::training
