// Pictures of what the avatar in training makes.
#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/omniavatar/avatar_pool.h"
#include "rushes/training/omniavatar/avatar_training.h"
#include "rushes/training/omniavatar/shipped_avatar.h"
#include "rushes/training/png.h"

namespace rushes::training {

void save_avatar_sheet(const AvatarTrainingOptions& options, const std::string& weights,
                       const std::filesystem::path& picture) {
  constexpr int64_t kLatentFrames = 6;
  const at::NoGradGuard no_grad;
  const auto& directory = options.run.directory;
  const auto tokenizer = avatar_tokenizer(directory / "tokenizer.model", options.run.seed);
  const AvatarModel model(tensor::load_safetensors(directory / weights));
  const tensor::WeightMap autoencoder = tensor::load_safetensors(directory / "autoencoder.safetensors");
  const wan::TinyEncoder encoder(avatar_autoencoder(), autoencoder.under("encoder."));
  const wan::TinyDecoder decoder(avatar_autoencoder(), autoencoder.under("decoder."));
  const wav2vec::Encoder hears(avatar_speech_encoder(),
                               tensor::load_safetensors(options.speech_encoder).to(at::kFloat));
  at::manual_seed(5);
  std::vector<at::Tensor> rows;
  for (uint64_t i = 0; i < static_cast<uint64_t>(options.sheet_rows); ++i) {
    Speaker speaker = make_speaker(5, i, Split::held_out);
    speaker.has_portrait = i % 2 == 0;
    speaker.caption = speaker_caption(speaker.labels, speaker.has_portrait, i);
    constexpr int64_t video_frames = 4 * kLatentFrames - 3;
    const Performance spoken = perform(speaker, 5, i, Split::held_out, video_frames);
    const at::Tensor drawn = draw_frames(speaker, spoken, 0, video_frames);
    at::Tensor portrait = encoder.encode(drawn.narrow(0, 0, 1).unsqueeze(0)).permute({0, 2, 1, 3, 4});
    if (!speaker.has_portrait) portrait = at::zeros_like(portrait);
    const AvatarBatch batch{
        portrait.expand({-1, -1, kLatentFrames, -1, -1}),
        omniavatar::condition_channels(portrait, kLatentFrames, speaker.has_portrait ? 1 : 0),
        heard_by_blocks(hears, spoken.wave, video_frames, 0, kLatentFrames / kAvatarBlock, true).unsqueeze(0),
        tokenize(*tokenizer, std::vector<std::string>{speaker.caption}, avatar_text_encoder().text_len),
        {}};
    const at::Tensor latents = sample_few_steps(model, batch, at::randn(batch.latents.sizes(), at::kFloat));
    wan::TinyState state;
    rows.push_back(drawn);
    rows.push_back(decoder.forward_trimmed(latents.permute({0, 2, 1, 3, 4}), state)[0].clamp(0, 1));
  }
  write_png(picture, contact_sheet(at::stack(rows), 10));
}

}  // namespace rushes::training
