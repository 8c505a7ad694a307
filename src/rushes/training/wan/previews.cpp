#include "rushes/training/wan/previews.h"

#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/png.h"
#include "rushes/training/wan/shipped_model.h"
#include "rushes/training/wan/text_to_video.h"

namespace rushes::training {

Generated generate(const std::filesystem::path& directory, const std::string& weights, int64_t clips,
                   int64_t latent_frames, int64_t side, uint64_t seed) {
  constexpr int64_t kBatch = 8;
  const at::NoGradGuard no_grad;
  const auto tokenizer = shipped_tokenizer(directory / "tokenizer.model", seed);
  const TextToVideo model(tensor::load_safetensors(directory / weights));
  const wan::TinyDecoder decoder(shipped_autoencoder(),
                                 tensor::load_safetensors(directory / "autoencoder.safetensors").under("decoder."));
  const std::vector<double> steps = shipped_schedule().warp(shipped_defaults().denoising_step_list);
  Generated made;
  std::vector<at::Tensor> videos;
  at::manual_seed(seed);
  for (int64_t begin = 0; begin < clips; begin += kBatch) {
    const int64_t count = std::min(kBatch, clips - begin);
    std::vector<std::string> captions;
    for (int64_t i = 0; i < count; ++i) {
      made.scenes.push_back(make_scene(seed, static_cast<uint64_t>(begin + i), Split::held_out));
      captions.push_back(made.scenes.back().caption);
    }
    const wan::TextContext text =
        model.context(model.read(tokenize(*tokenizer, captions, shipped_text_encoder().text_len)));
    const at::Tensor noise =
        at::randn({count, shipped_transformer().in_dim, latent_frames, side / 8, side / 8}, at::kFloat);
    const at::Tensor latents = sample_few_steps(model, text, noise, steps);
    wan::TinyState state;
    videos.push_back(decoder.forward_trimmed(latents.permute({0, 2, 1, 3, 4}), state).clamp(0, 1));
  }
  made.clips = at::cat(videos);
  return made;
}

void save_samples(const std::filesystem::path& directory, const std::string& weights,
                  const std::filesystem::path& picture, int64_t latent_frames, int64_t side) {
  write_png(picture, contact_sheet(generate(directory, weights, 8, latent_frames, side, 5).clips, 8));
}

}  // namespace rushes::training
