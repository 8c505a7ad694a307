#include <algorithm>

#include "rushes/base/log.h"
#include "rushes/base/stop_signal.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/begin_with.h"
#include "rushes/training/drawing.h"
#include "rushes/training/foresight/foresight_world.h"
#include "rushes/training/foresight/shipped_video.h"
#include "rushes/training/foresight/video_training.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"
#include "rushes/training/picture_loss.h"
#include "rushes/training/png.h"
#include "rushes/training/precision.h"
#include "rushes/training/psnr.h"

namespace rushes::training {
namespace {

constexpr double kLatentNoise = 0.1;  // teaches the decoder to bear what a sampler leaves over
constexpr double kMomentWeight = 0.01;
const std::string kPrefix = "vae.";  // whose kernels Muon moves: an update does what two of AdamW do
constexpr uint64_t kHeldOutSeed = 77;
constexpr int64_t kSheetFilms = 5, kMeasuredFilms = 4;  // at most

at::Tensor draw_crop(uint64_t seed, const ForesightCrops& crops, uint64_t index) {
  Random random(seed ^ 0xae, index);
  const ForesightScene scene = make_foresight_scene(seed, index, Split::train);
  // The cue is in the first frames alone; of a still picture there is nothing more to see.
  const int64_t first = random.below(3) != 0 ? 0 : random.below(kForesightVideoFrames - crops.video_frames + 1);
  const auto body = static_cast<std::size_t>(random.below(std::ssize(scene.bodies)));
  const BodyPlace at = place(scene, body, first + random.below(crops.video_frames));
  const int64_t room = kForesightSide - crops.side;
  const auto corner = [&](double middle) {
    const double off = random.uniform(-0.35, 0.35) * static_cast<double>(crops.side);
    return std::clamp<int64_t>(std::llround(middle + off) - crops.side / 2, 0, room);
  };
  const int64_t left = corner(at.x), top = corner(at.y);
  return draw(scene, first, crops.video_frames).narrow(2, top, crops.side).narrow(3, left, crops.side).contiguous();
}

// Mean 0, variance 1 of each channel.
at::Tensor latent_loss(const at::Tensor& z) {
  const at::Tensor channels = z.transpose(0, 1).flatten(1);
  const at::Tensor mean = channels.mean({1}), variance = (channels - mean.unsqueeze(1)).square().mean({1});
  return mean.square().mean() + (variance + 1e-4).log().square().mean();
}

at::Tensor held_out_film(uint64_t index) {
  return draw(make_foresight_scene(kHeldOutSeed, index, Split::held_out), 0, kForesightVideoFrames);
}

at::Tensor decoded(const ltx::Vae& vae, const at::Tensor& film) {
  return to_frames(vae.decode(vae.encode(to_video(film)).mean)).clamp(0, 1);
}

/// With the mean and the deviation of each channel over whole films.
std::map<std::string, at::Tensor> with_statistics(const tensor::WeightMap& weights, uint64_t seed, int64_t films) {
  const ltx::Vae vae(foresight_autoencoder(), weights.to(product_dtype(at::kCPU)));
  std::vector<at::Tensor> latents;
  for (uint64_t i = 0; i < static_cast<uint64_t>(films); ++i)
    latents.push_back(
        vae.encode(to_video(draw(make_foresight_scene(seed, i, Split::train), 0, kForesightVideoFrames))).mean[0]);
  std::map<std::string, at::Tensor> all = weights.tensors();
  const at::Tensor channels = at::stack(latents, 1).flatten(1);
  all["latents_mean"] = channels.mean({1});
  all["latents_std"] = channels.std({1}).clamp_min(1e-3);
  return all;
}

void save_sheet(const std::filesystem::path& directory, int64_t films) {
  const ltx::Vae vae = trained_autoencoder(directory);
  std::vector<at::Tensor> rows;
  for (uint64_t i = 0; i < static_cast<uint64_t>(films); ++i) {
    const at::Tensor film = held_out_film(i);
    rows.push_back(film);
    rows.push_back(decoded(vae, film));
  }
  write_png(directory / "autoencoder.png", contact_sheet(at::stack(rows), 9));
}

}  // namespace

void train_foresight_autoencoder(const RunOptions& options, const ForesightCrops& crops) {
  const ltx::VaeConfig config = foresight_autoencoder();
  at::manual_seed(options.seed);
  std::map<std::string, at::Tensor> fresh = fresh_foresight_autoencoder(), initial;
  begin_with(fresh, options.directory / "autoencoder.safetensors");
  for (auto& [key, value] : fresh) initial[kPrefix + key] = value;
  Optimiser optimiser(initial, {.learning_rate = options.learning_rate,
                                .weight_decay = 0.0,
                                .average = 0.998,
                                .warm_up_steps = 50,
                                .muon_prefix = kPrefix,
                                .threads = options.threads});
  const auto state_file = options.directory / "autoencoder.state.safetensors";
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  const tensor::WeightMap weights = optimiser.weights().under(kPrefix);
  Run run(options, "autoencoder", {"loss", "l1", "psnr", "latent_std", "gradient"});
  const auto save = [&] {
    const at::NoGradGuard no_grad;
    optimiser.save(state_file);
    run.saved();
    tensor::save_safetensors(options.directory / "autoencoder.safetensors",
                             with_statistics(optimiser.average().under(kPrefix), options.seed, crops.films));
    if (base::stop_signal() != 0) return;
    save_sheet(options.directory, std::min(crops.films, kSheetFilms));
    log::info("held-out PSNR {:.2f} dB",
              foresight_autoencoder_psnr(options.directory, std::min(crops.films, kMeasuredFilms)));
  };
  const uint64_t first = static_cast<uint64_t>(optimiser.steps()) * static_cast<uint64_t>(options.batch);
  Drawing drawing([&](uint64_t index) { return draw_crop(options.seed, crops, index); }, first, options.batch);
  const int64_t parts = parallel_parts(options.batch, options.threads);
  const auto size = static_cast<std::size_t>(parts);
  while (run.time_left()) {
    const at::Tensor batch = drawing.next_batch();
    std::vector<double> total(size), l1(size), psnr(size), std(size);
    in_parallel(parts, [&](int64_t part) {
      const auto index = static_cast<std::size_t>(part);
      const ltx::Vae vae(config, for_products(weights));
      const at::Tensor clips = batch.chunk(parts)[index];
      const at::Tensor z =
          vae.encode((clips.transpose(1, 2) * 2 - 1).contiguous(at::MemoryFormat::ChannelsLast3d)).mean;
      const at::Tensor noise = normal(z.sizes(), generator_of(options.seed, optimiser.steps(), part), at::kCPU);
      const at::Tensor made = vae.decode(z + noise * kLatentNoise).transpose(1, 2).to(at::kFloat) * 0.5 + 0.5;
      const PictureLoss loss = picture_loss(made, clips);
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

double foresight_autoencoder_psnr(const std::filesystem::path& directory, int64_t films) {
  const at::NoGradGuard no_grad;
  const ltx::Vae vae = trained_autoencoder(directory);
  double sum = 0;
  for (int64_t i = 0; i < films; ++i) {
    const at::Tensor film = held_out_film(100 + static_cast<uint64_t>(i));
    sum += psnr(decoded(vae, film), film);
  }
  return sum / static_cast<double>(films);
}

}  // namespace rushes::training
