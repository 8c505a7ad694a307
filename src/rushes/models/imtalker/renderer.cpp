#include "rushes/models/imtalker/renderer.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/nn/stock_operators.h"
#include "rushes/tensor/ops.h"

namespace rushes::imtalker {

Renderer::Renderer(const RendererConfig& config, const tensor::WeightMap& weights)
    : config_(config),
      appearance_encoder_(config, weights.under("dense_feature_encoder.")),
      motion_encoder_(config, weights.under("latent_token_encoder.")),
      adapt_(config, weights.under("adapt.")),
      motion_decoder_(config, weights.under("latent_token_decoder.")),
      transfer_(config, weights.under("imt.")),
      frame_decoder_(config, weights.under("frame_decoder.")) {}

Portrait Renderer::portrait(const at::Tensor& picture) const {
  const int64_t S = config_.picture_side();
  require(picture.sizes() == at::IntArrayRef({1, 3, S, S}), ErrorCode::invalid_argument,
          "the source image has shape [{}], expected [1, 3, {}, {}]", fmt::join(picture.sizes(), ", "), S, S);
  const Appearance appearance = appearance_encoder_.forward(picture);
  Portrait portrait{appearance.identity, motion_encoder_.forward(picture), {}};
  const at::Tensor adapted = adapt_.forward(portrait.motion, portrait.identity);
  portrait.source = transfer_.source(motion_decoder_.forward(adapted), appearance.maps);
  for (at::Tensor& means : portrait.source.fine) means = means.to(frame_decoder_.dtype());
  return portrait;
}

at::Tensor Renderer::render(const at::Tensor& motion, const Portrait& portrait) const {
  require(motion.dim() == 2 && motion.size(1) == config_.dim_motion, ErrorCode::invalid_argument,
          "motion has shape [{}], expected [B, {}]", fmt::join(motion.sizes(), ", "), config_.dim_motion);
  if (!motion.is_cpu() || at::GradMode::is_enabled() || nn::StockOperators::wanted())
    return render_together(motion, portrait);
  const int64_t S = config_.picture_side();
  const at::Tensor frames = at::empty({motion.size(0), 3, S, S}, motion.options().dtype(at::kFloat));
  at::parallel_for(0, motion.size(0), 1, [&](int64_t begin, int64_t end) {
    const c10::InferenceMode inference;
    frames.slice(0, begin, end).copy_(render_together(motion.slice(0, begin, end), portrait));
  });
  return frames;
}

at::Tensor Renderer::render_together(const at::Tensor& motion, const Portrait& portrait) const {
  const at::Tensor adapted = adapt_.forward(motion, portrait.identity);
  return frame_decoder_.forward(transfer_.align(motion_decoder_.forward(adapted), portrait.source));
}

}  // namespace rushes::imtalker
