#include "rushes/generation/omniavatar/parts.h"

#include "rushes/models/omniavatar/tiled_vae.h"
#include "rushes/models/wan/vae.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {

at::Tensor OmniAvatarParts::encode(const at::Tensor& video, bool tiled) const {
  if (const auto* vae = dynamic_cast<const wan::Vae*>(autoencoder.get()); vae && tiled)
    return omniavatar::encode_tiled(vae->video_encoder(), video);
  return autoencoder->encode(video).transpose(1, 2).to(at::kFloat);
}

at::Tensor OmniAvatarParts::decode(const at::Tensor& latents, bool tiled) const {
  if (const auto* vae = dynamic_cast<const wan::Vae*>(autoencoder.get()); vae && tiled)
    return omniavatar::decode_tiled(vae->video_decoder(), latents)[0].transpose(0, 1);
  return autoencoder->decoder()->decode(latents[0].transpose(0, 1));
}

}  // namespace rushes::generation
