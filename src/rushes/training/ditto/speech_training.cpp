#include "rushes/base/log.h"
#include "rushes/models/ditto/speech_features.h"
#include "rushes/models/wav2vec/encoder.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/begin_with.h"
#include "rushes/training/ditto/ditto_training.h"
#include "rushes/training/ditto/shipped_ditto.h"
#include "rushes/training/drawing.h"
#include "rushes/training/face_world/speech_world.h"
#include "rushes/training/imtalker/shipped_talk.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"

namespace rushes::training {
namespace {

constexpr int64_t kClip = 75;          // video frames
constexpr int64_t kWindowsOfClip = 6;  // speaking costs more than hearing
const ditto::ChunkSize kSize;
constexpr int64_t kMouth = 3;

/// Windows of one clip with what the mouth does in their middle: [kWindowsOfClip, samples + current (3 + 1)].
at::Tensor draw_windows(uint64_t seed, uint64_t index, Split split) {
  Random random(seed ^ 0xa0d11, index);
  const SpeechClip spoken = speak(seed ^ 0xd17, index, split, 6 + random.below(8));
  const int64_t spare = std::max<int64_t>(spoken.mouth.size(0) - kClip, 0);
  const SpeechClip clip = roughened(cut(spoken, random.below(spare + 1), kClip), random);
  const int64_t before = kSize.past * kSamplesPerFrame + 80, samples = kSize.samples();
  const at::Tensor wave = at::constant_pad_nd(clip.wave, {before, samples});
  std::vector<at::Tensor> rows;
  for (int64_t i = 0; i < kWindowsOfClip; ++i) {
    const int64_t first = random.below(kClip - kSize.current + 1);
    // Windows of streams begin 80 samples later than those of whole files.
    const int64_t begin = first * kSamplesPerFrame + (random.uniform() < 0.5 ? 80 : 0);
    rows.push_back(at::cat({wave.narrow(0, begin, samples), clip.mouth.narrow(0, first, kSize.current).flatten(),
                            clip.visemes.narrow(0, first, kSize.current).to(at::kFloat)}));
  }
  return at::stack(rows);
}

struct Score {
  at::Tensor loss;
  double right, jaw_error;
};

/// rows [B, ...] of draw_windows().
Score score(const tensor::WeightMap& weights, const at::Tensor& rows) {
  const wav2vec::Encoder encoder(shipped_speech_encoder(), weights.under("encoder_model."));
  const int64_t samples = kSize.samples(), current = kSize.current;
  const at::Tensor heard = ditto::SpeechFeatures(encoder, kSize).windows(rows.narrow(1, 0, samples));
  const at::Tensor out = at::linear(heard, weights.at("head.weight"), weights.at("head.bias")),
                   names = out.narrow(2, kMouth, kVisemes).flatten(0, 1),
                   mouth = rows.narrow(1, samples, kMouth * current).reshape({-1, current, kMouth}),
                   truth = rows.narrow(1, samples + kMouth * current, current).to(at::kLong).flatten();
  const at::Tensor error = out.narrow(2, 0, kMouth) - mouth;
  return {at::cross_entropy_loss(names, truth) + 8 * error.square().mean(),
          names.argmax(1).eq(truth).to(at::kFloat).mean().item<double>(),
          error.select(2, 0).abs().mean().item<double>()};
}

}  // namespace

void train_speech_encoder(const RunOptions& options) {
  at::manual_seed(options.seed);
  Tensors encoder = fresh_speech_encoder(), held;
  begin_with(encoder, options.directory / "ditto-speech.safetensors");
  for (const auto& [key, value] : encoder) held["encoder_model." + key] = value;
  held["head.weight"] = 0.05 * at::randn({kMouth + kVisemes, shipped_speech_encoder().hidden_size});
  held["head.bias"] = at::zeros({kMouth + kVisemes});
  Optimiser optimiser(
      held, {.learning_rate = options.learning_rate, .weight_decay = 0.01, .average = 0.995, .warm_up_steps = 50});
  const auto state_file = options.directory / "ditto-speech.state.safetensors";
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  Run run(options, "ditto-speech", {"loss", "right", "jaw_error", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    const tensor::WeightMap average = optimiser.average();
    tensor::save_safetensors(options.directory / "ditto-speech.safetensors",
                             part_of(average.tensors(), "encoder_model."));
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> rows;
    for (uint64_t i = 0; i < 40; ++i) rows.push_back(draw_windows(options.seed, i, Split::held_out));
    const Score held_out = score(average, at::cat(rows));
    log::info("held-out voices: loss {:.3f}, visemes {:.1f} %, jaw off by {:.3f}", held_out.loss.item<double>(),
              100 * held_out.right, held_out.jaw_error);
    run.saved();
  };
  const uint64_t first = static_cast<uint64_t>(optimiser.steps()) * static_cast<uint64_t>(options.batch);
  Drawing drawing([options](uint64_t index) { return draw_windows(options.seed, index, Split::train); }, first,
                  options.batch);
  const int64_t parts = parallel_parts(options.batch, options.threads);
  while (run.time_left()) {
    const at::Tensor batch = drawing.next_batch();
    std::vector<double> loss(static_cast<std::size_t>(parts)), right(loss.size()), jaw(loss.size());
    in_parallel(parts, [&](int64_t part) {
      const auto index = static_cast<std::size_t>(part);
      const Score result = score(optimiser.weights(), batch.chunk(parts)[index].flatten(0, 1));
      (result.loss / static_cast<double>(parts)).backward();
      loss[index] = result.loss.item<double>();
      right[index] = result.right;
      jaw[index] = result.jaw_error;
    });
    const double gradient = optimiser.step(run.schedule());
    run.record(optimiser.steps(), {mean_of(loss), mean_of(right), mean_of(jaw), gradient}, 20);
    if (run.due()) save();
  }
  save();
}

}  // namespace rushes::training
