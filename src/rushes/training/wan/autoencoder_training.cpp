#include "rushes/training/wan/autoencoder_training.h"
#include "rushes/training/psnr.h"

#include <cmath>
#include <numbers>

#include "rushes/base/log.h"
#include "rushes/base/stop_signal.h"
#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/drawing.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"
#include "rushes/training/picture_loss.h"
#include "rushes/training/png.h"
#include "rushes/training/precision.h"
#include "rushes/training/wan/fidelity.h"
#include "rushes/training/wan/shipped_model.h"
#include "rushes/training/wan/world.h"

namespace rushes::training {
namespace {

constexpr double kLatentNoise = 0.1;  // teaches the decoder to bear what a sampler leaves over
constexpr double kMomentWeight = 0.01;
constexpr uint64_t kDecoderClips = 10'000'000;  // the first index: beyond the clips that the encoder saw

// A GPU takes more crops than one thread draws.
int64_t drawers(const RunOptions& options) { return options.device.is_cpu() ? 1 : options.threads; }

PictureLoss decoded_loss(const wan::TinyDecoder& decoder, const at::Tensor& z, const at::Tensor& clips,
                         const at::Generator& random) {
  wan::TinyState state;
  return picture_loss(decoder.forward_trimmed(z + normal(z.sizes(), random, z.device()) * kLatentNoise, state), clips);
}

// Mean 0, variance 1, and no two channels alike: whatever a channel repeats it could use for something new.
at::Tensor latent_loss(const at::Tensor& z) {
  const at::Tensor channels = z.transpose(0, 2).flatten(1);
  const at::Tensor mean = channels.mean({1}), centred = channels - mean.unsqueeze(1);
  const at::Tensor covariance = at::mm(centred, centred.t()) / channels.size(1);
  const at::Tensor variance = centred.square().mean({1});
  return mean.square().mean() + (variance + 1e-4).log().square().mean() +
         (covariance - at::eye(channels.size(0), covariance.options())).square().sum({1}).mean();
}

void save_sheet(const PictureWorld& world, const tensor::WeightMap& weights, const std::filesystem::path& file) {
  const at::NoGradGuard no_grad;
  const wan::TinyEncoder encoder(world.config, weights.under("encoder."));
  const wan::TinyDecoder decoder(world.config, weights.under("decoder."));
  std::vector<at::Tensor> rows;
  for (uint64_t i = 0; i < 4; ++i) {
    const at::Tensor clip = world.held_out(i);
    wan::TinyState state;
    rows.push_back(clip);
    rows.push_back(decoder.forward_trimmed(encoder.encode(clip.unsqueeze(0)), state)[0]);
  }
  write_png(file, contact_sheet(at::stack(rows), 8));
}

int64_t within(double at, int64_t room) { return std::clamp<int64_t>(std::llround(at), 0, room); }

// Most crops lie on an outline: the rest of a picture is flat.
at::Tensor draw_crop(const AutoencoderOptions& options, uint64_t index) {
  const uint64_t seed = options.run.seed;
  Random random(seed ^ 0xae, index);
  const Scene scene = make_scene(seed, index, Split::train);
  constexpr std::array<int64_t, 4> sides{96, 128, 128, 160};
  // Never below the crop: the clips of a batch are of one size.
  const int64_t crop = options.crop, side = std::max(random.pick(sides), crop), room = side - crop;
  const int64_t first = random.below(48);
  int64_t top = random.below(room + 1), left = random.below(room + 1);
  if (random.below(4) != 0) {
    const Object& object = scene.objects[static_cast<std::size_t>(random.below(std::ssize(scene.objects)))];
    const Place at = place(object, first + options.video_frames / 2, side, side);
    const double angle = random.uniform(0, 2 * std::numbers::pi), half = static_cast<double>(crop) / 2;
    const auto jitter = [&] { return random.uniform(-0.3, 0.3) * static_cast<double>(crop); };
    left = within(at.x + 0.8 * at.radius * std::cos(angle) - half + jitter(), room);
    top = within(at.y + 0.8 * at.radius * std::sin(angle) - half + jitter(), room);
  }
  return draw(scene, first, options.video_frames, side, side).narrow(2, top, crop).narrow(3, left, crop).contiguous();
}

// What an earlier autoencoder knows: of tensors of another size the leading corner.
void adopt(std::map<std::string, at::Tensor>& tensors, const std::filesystem::path& file) {
  const tensor::WeightMap earlier = tensor::load_safetensors(file);
  for (auto& [key, value] : tensors) {
    if (!earlier.contains(key)) continue;
    at::Tensor from = earlier.at(key), to = value;
    if (from.dim() != to.dim()) continue;
    for (int64_t axis = 0; axis < to.dim(); ++axis) {
      const int64_t shared = std::min(from.size(axis), to.size(axis));
      from = from.narrow(axis, 0, shared);
      to = to.narrow(axis, 0, shared);
    }
    to.copy_(from);
  }
}

}  // namespace

PictureWorld moving_shapes(const AutoencoderOptions& options) {
  return {.config = shipped_autoencoder(),
          .crop = [options](uint64_t index) { return draw_crop(options, index); },
          .held_out =
              [](uint64_t index) {
                return draw(make_scene(77, index, Split::held_out), 0, 17, kShippedSide, kShippedSide);
              }};
}

void train_autoencoder(const RunOptions& options, const PictureWorld& world, const std::filesystem::path& earlier) {
  const wan::TinyAutoencoderConfig& config = world.config;
  at::manual_seed(options.seed);
  std::map<std::string, at::Tensor> initial = fresh_autoencoder(config);
  if (!earlier.empty()) adopt(initial, earlier);
  Optimiser optimiser(
      tensor::WeightMap(initial).to(options.device).tensors(),
      {.learning_rate = options.learning_rate, .weight_decay = 0.0, .average = 0.998, .warm_up_steps = 50});
  const auto state_file = options.directory / "autoencoder.state.safetensors",
             file = options.directory / "autoencoder.safetensors";
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  const tensor::WeightMap weights = optimiser.weights();
  Run run(options, "autoencoder", {"loss", "l1", "psnr", "latent_std", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    run.saved();
    const tensor::WeightMap average = optimiser.average();
    tensor::save_safetensors(file, average.tensors());
    if (base::stop_signal() != 0) return;
    save_sheet(world, average.to(at::kCPU), options.directory / "autoencoder.png");
    log::info("held-out PSNR {:.2f} dB", autoencoder_psnr(file, world, 4));
  };
  const uint64_t first = static_cast<uint64_t>(optimiser.steps()) * static_cast<uint64_t>(options.batch);
  Drawing drawing(world.crop, first, options.batch, drawers(options));
  const int64_t parts = parallel_parts(options.batch, options.threads, options.device);
  const auto size = static_cast<std::size_t>(parts);
  while (run.time_left()) {
    const at::Tensor batch = drawing.next_batch().to(options.device);
    std::vector<double> total(size), l1(size), psnr(size), std(size);
    in_parallel(parts, [&](int64_t part) {
      const auto index = static_cast<std::size_t>(part);
      const tensor::WeightMap cast = for_products(weights);
      const at::Tensor clips = batch.chunk(parts)[index];
      const at::Tensor z = wan::TinyEncoder(config, cast.under("encoder.")).encode(clips);
      const PictureLoss loss = decoded_loss(wan::TinyDecoder(config, cast.under("decoder.")), z, clips,
                                            generator_of(options.seed, optimiser.steps(), part));
      ((loss.total + kMomentWeight * latent_loss(z)) / static_cast<double>(parts)).backward();
      total[index] = loss.total.item<double>();
      l1[index] = loss.l1;
      psnr[index] = loss.psnr;
      std[index] = z.detach().std().item<double>();
    });
    const double gradient = optimiser.step(run.schedule());
    run.record(optimiser.steps(), {mean_of(total), mean_of(l1), mean_of(psnr), mean_of(std), gradient});
    if (run.due()) save();
  }
  save();
}

void train_decoder(const RunOptions& options, const PictureWorld& world) {
  const wan::TinyAutoencoderConfig& config = world.config;
  const auto file = options.directory / "autoencoder.safetensors",
             state_file = options.directory / "decoder.state.safetensors";
  at::manual_seed(options.seed + 2);
  // Copies: the file is replaced while its mapping is in use.
  std::map<std::string, at::Tensor> encoder_weights, decoder_weights;
  const tensor::WeightMap saved = tensor::load_safetensors(file);
  for (const auto& [key, value] : saved.tensors())
    (key.starts_with("encoder.") ? encoder_weights : decoder_weights)[key] = value.clone();
  Optimiser optimiser(
      tensor::WeightMap(decoder_weights).to(options.device).tensors(),
      {.learning_rate = options.learning_rate, .weight_decay = 0.0, .average = 0.998, .warm_up_steps = 20});
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  const wan::TinyEncoder encoder(config, tensor::WeightMap(encoder_weights).under("encoder.").to(options.device));
  const tensor::WeightMap weights = optimiser.weights();
  Run run(options, "decoder", {"loss", "l1", "psnr", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    run.saved();
    std::map<std::string, at::Tensor> both = optimiser.average().tensors();
    both.insert(encoder_weights.begin(), encoder_weights.end());
    tensor::save_safetensors(file, both);
    if (base::stop_signal() != 0) return;
    save_sheet(world, tensor::WeightMap(both).to(at::kCPU), options.directory / "autoencoder.png");
    log::info("held-out PSNR {:.2f} dB", autoencoder_psnr(file, world, 4));
  };
  const uint64_t first =
      kDecoderClips + static_cast<uint64_t>(optimiser.steps()) * static_cast<uint64_t>(options.batch);
  Drawing drawing(world.crop, first, options.batch, drawers(options));
  const int64_t parts = parallel_parts(options.batch, options.threads, options.device);
  const auto size = static_cast<std::size_t>(parts);
  while (run.time_left()) {
    const at::Tensor batch = drawing.next_batch().to(options.device);
    std::vector<double> total(size), l1(size), psnr(size);
    in_parallel(parts, [&](int64_t part) {
      const auto index = static_cast<std::size_t>(part);
      const at::Tensor clips = batch.chunk(parts)[index];
      at::Tensor z;
      {
        const at::NoGradGuard no_grad;
        z = encoder.encode(clips);
      }
      const wan::TinyDecoder decoder(config, for_products(weights).under("decoder."));
      const PictureLoss loss = decoded_loss(decoder, z, clips, generator_of(options.seed + 2, optimiser.steps(), part));
      (loss.total / static_cast<double>(parts)).backward();
      total[index] = loss.total.item<double>();
      l1[index] = loss.l1;
      psnr[index] = loss.psnr;
    });
    const double gradient = optimiser.step(run.schedule());
    run.record(optimiser.steps(), {mean_of(total), mean_of(l1), mean_of(psnr), gradient});
    if (run.due()) save();
  }
  save();
}

double autoencoder_psnr(const std::filesystem::path& file, const PictureWorld& world, int64_t clips) {
  const at::NoGradGuard no_grad;
  const tensor::WeightMap weights = tensor::load_safetensors(file);
  const wan::TinyEncoder encoder(world.config, weights.under("encoder."));
  const wan::TinyDecoder decoder(world.config, weights.under("decoder."));
  double sum = 0;
  for (int64_t i = 0; i < clips; ++i) {
    const at::Tensor clip = world.held_out(100 + static_cast<uint64_t>(i));
    wan::TinyState state;
    const at::Tensor made = decoder.forward_trimmed(encoder.encode(clip.unsqueeze(0)), state)[0].clamp(0, 1);
    sum += psnr(made, clip);
  }
  return sum / static_cast<double>(clips);
}

}  // namespace rushes::training
