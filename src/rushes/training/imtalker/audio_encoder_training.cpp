#include <cmath>

#include "rushes/base/log.h"
#include "rushes/models/wav2vec/encoder.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/begin_with.h"
#include "rushes/training/drawing.h"
#include "rushes/training/face_world/speech_world.h"
#include "rushes/training/imtalker/shipped_talk.h"
#include "rushes/training/imtalker/talk_training.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"

namespace rushes::training {
namespace {

constexpr int64_t kClip = 75;  // video frames
constexpr int64_t kSamples = kClip * kSamplesPerFrame;

/// Wave, mouth and visemes of one clip in a row.
at::Tensor draw_row(uint64_t seed, uint64_t index, Split split) {
  Random random(seed ^ 0xa0d10, index);
  const SpeechClip spoken = speak(seed, index, split, 6 + random.below(8));
  const int64_t spare = std::max<int64_t>(spoken.mouth.size(0) - kClip, 0);
  const SpeechClip clip = roughened(cut(spoken, random.below(spare + 1), kClip), random);
  return at::cat({clip.wave, clip.mouth.flatten(), clip.visemes.to(at::kFloat)});
}

struct Speech {
  at::Tensor wave, mouth, visemes;  // [B, S], [B, T, 3], [B, T]

  /// A batch of rows cut to `video_frames` from `first`; the wave of every second clip normalised as whole files are.
  Speech(const at::Tensor& rows, int64_t first, int64_t video_frames) {
    wave = rows.narrow(1, first * kSamplesPerFrame, video_frames * kSamplesPerFrame);
    const at::Tensor even = wav2vec::normalise(wave.slice(0, 0, std::nullopt, 2)),
                     odd = wave.slice(0, 1, std::nullopt, 2);
    wave = at::cat({even, odd});
    const auto in_order = [](const at::Tensor& x) {
      return at::cat({x.slice(0, 0, std::nullopt, 2), x.slice(0, 1, std::nullopt, 2)});
    };
    mouth = in_order(rows.narrow(1, kSamples, 3 * kClip).reshape({-1, kClip, 3}).narrow(1, first, video_frames));
    visemes = in_order(rows.narrow(1, kSamples + 3 * kClip, kClip).narrow(1, first, video_frames).to(at::kLong));
  }
};

std::map<std::string, at::Tensor> fresh(const wav2vec::Config& config, const std::filesystem::path& earlier) {
  std::map<std::string, at::Tensor> tensors, encoder = fresh_audio_encoder(config);
  begin_with(encoder, earlier);
  for (const auto& [key, value] : encoder) tensors["encoder_model." + key] = value;
  tensors["head.weight"] = 0.05 * at::randn({3 + kVisemes, config.hidden_size});
  tensors["head.bias"] = at::zeros({3 + kVisemes});
  return tensors;
}

struct Score {
  at::Tensor loss;
  double right, jaw_error;
};

Score score(const wav2vec::Encoder& encoder, const tensor::WeightMap& weights, const Speech& speech) {
  const int64_t T = speech.mouth.size(1);
  const at::Tensor out =
      at::linear(encoder.forward(speech.wave, T), weights.at("head.weight"), weights.at("head.bias"));
  const at::Tensor mouth = out.narrow(2, 0, 3), names = out.narrow(2, 3, kVisemes).flatten(0, 1),
                   truth = speech.visemes.flatten();
  const at::Tensor named = at::cross_entropy_loss(names, truth);
  const at::Tensor error = mouth - speech.mouth;
  return {named + 8 * error.square().mean(), names.argmax(1).eq(truth).to(at::kFloat).mean().item<double>(),
          error.select(2, 0).abs().mean().item<double>()};
}

}  // namespace

void train_audio_encoder(const RunOptions& options) {
  const wav2vec::Config config = shipped_audio_encoder();
  at::manual_seed(options.seed);
  Optimiser optimiser(
      fresh(config, options.directory / "face-audio.safetensors"),
      {.learning_rate = options.learning_rate, .weight_decay = 0.01, .average = 0.995, .warm_up_steps = 50});
  const auto state_file = options.directory / "face-audio.state.safetensors";
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  const tensor::WeightMap weights = optimiser.weights();
  const wav2vec::Encoder encoder(config, weights.under("encoder_model."));
  Run run(options, "face-audio", {"loss", "right", "jaw_error", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    const tensor::WeightMap average = optimiser.average();
    std::map<std::string, at::Tensor> own;
    const tensor::WeightMap part = average.under("encoder_model.");
    for (const std::string& key : part.keys()) own[key] = part.at(key);
    tensor::save_safetensors(options.directory / "face-audio.safetensors", own);
    const at::NoGradGuard no_grad;
    const wav2vec::Encoder judged(config, part);
    std::vector<at::Tensor> rows;
    for (uint64_t i = 0; i < 24; ++i) rows.push_back(draw_row(options.seed, i, Split::held_out));
    const Score held_out = score(judged, average, Speech(at::stack(rows), 0, kClip));
    log::info("held-out voices: loss {:.3f}, visemes {:.1f} %, jaw off by {:.3f}", held_out.loss.item<double>(),
              100 * held_out.right, held_out.jaw_error);
  };
  const uint64_t first = static_cast<uint64_t>(optimiser.steps()) * static_cast<uint64_t>(options.batch);
  Drawing drawing([options](uint64_t index) { return draw_row(options.seed, index, Split::train); }, first,
                  options.batch);
  const int64_t parts = parallel_parts(options.batch, options.threads);
  while (run.time_left()) {
    const at::Tensor batch = drawing.next_batch();
    Random random(options.seed ^ 0xc07, static_cast<uint64_t>(optimiser.steps()));
    // Live use hears short pieces.
    constexpr std::array<int64_t, 8> kLengths{5, 10, 15, 25, 35, 50, 75, 75};
    const int64_t T = random.pick(kLengths), start = random.below(kClip - T + 1);
    std::vector<double> loss(static_cast<std::size_t>(parts)), right(loss.size()), jaw(loss.size());
    in_parallel(parts, [&](int64_t part) {
      const auto index = static_cast<std::size_t>(part);
      const Score result = score(encoder, weights, Speech(batch.chunk(parts)[index], start, T));
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
