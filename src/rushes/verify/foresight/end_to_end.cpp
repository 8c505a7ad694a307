// Golden case of Foresight as a whole: a picture and a question to text, to features of both vision models, to the
// video that follows the prompt, and to the one that follows the adapter.
#include "rushes/models/dinov2/checkpoint.h"
#include "rushes/models/dinov2/encoder.h"
#include "rushes/models/dinov2/preprocess.h"
#include "rushes/models/foresight/adapter.h"
#include "rushes/models/ltx/config_json.h"
#include "rushes/models/ltx/pixels.h"
#include "rushes/models/ltx/vae.h"
#include "rushes/models/ltx/video_sampler.h"
#include "rushes/models/qwen/generation.h"
#include "rushes/models/t5/checkpoint.h"
#include "rushes/models/t5/t5_encoder.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/foresight/configs.h"
#include "rushes/verify/foresight/qwen_cases.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

/// The half that writes, and what it sees.
class Language {
 public:
  explicit Language(const Case& c) : c_(c) {
    const nlohmann::json& vlm = c.hyper.at("vlm");
    qwen::Config config = qwen_case_config(vlm);
    const nlohmann::json limits = c.hyper.value("preprocessor", nlohmann::json::object());
    config.picture.min_pixels = limits.value("min_pixels", config.picture.min_pixels);
    config.picture.max_pixels = limits.value("max_pixels", config.picture.max_pixels);
    config.eos_token_ids = {-1};  // the recorded text has as many tokens as it was asked for
    model_ = std::make_shared<const qwen::Model>(qwen_case_model(c, std::move(config), c.weights.under("vlm.")));
    const at::Tensor ids = c.input("vlm_input_ids").cpu().flatten().contiguous();
    const int64_t* id = ids.const_data_ptr<int64_t>();
    prompt_ = {{id, id + ids.numel()}, {model_->see(c.exact_input("image").cpu())}};
  }

  void write(Produced& produced) const {
    qwen::Generation generation(model_, prompt_,
                                {.sampling = {.do_sample = false}, .max_new_tokens = c_.hyper.at("max_new_tokens")});
    std::vector<at::Tensor> logits;
    while (!generation.finished()) {
      generation.step();
      logits.push_back(generation.logits());
    }
    produced.tensors["out_text_tokens"] = at::tensor(generation.tokens(), at::TensorOptions(at::kLong)).unsqueeze(0);
    produced.tensors["out_text_logits"] = at::stack(logits).unsqueeze(0);
  }

  /// [1, tokens, C], cut or padded.
  at::Tensor features() const {
    return foresight::cut_or_padded(model_->hidden_states(prompt_), c_.hyper.at("vlm_feature_tokens"));
  }

 private:
  const Case& c_;
  std::shared_ptr<const qwen::Model> model_;
  qwen::Prompt prompt_;
};

/// The half that makes frames.
class Video {
 public:
  explicit Video(const Case& c)
      : c_(c),
        vae_config_(ltx::vae_config(c.hyper.at("vae"), c.name)),
        vae_(vae_config_, c.weights.under("vae.")),
        transformer_(std::make_shared<const ltx::Transformer>(
            ltx::transformer_config(c.hyper.at("transformer"), c.name), c.weights.under("transformer."))),
        text_(foresight_t5_config(c.hyper.at("text_encoder")),
              t5::with_published_names(c.weights.under("text_encoder."))) {
    const at::Tensor pixels = ltx::first_frame(c.exact_input("image").cpu(), c.hyper.at("height"), c.hyper.at("width"));
    const ltx::Posterior posterior = vae_.encode(pixels.to(c.target.device, c.target.dtype));
    picture_ = vae_.normalise(posterior.sample(c.exact_input("noise_posterior")));
  }

  ltx::TextContext prompt() const { return of_ids("prompt_ids"); }
  ltx::TextContext embeddings(const at::Tensor& tokens) const { return transformer_->context(tokens); }

  at::Tensor first_frame_alone() const { return decoded(picture_); }

  /// [1, 3, T, H, W]
  at::Tensor following(const ltx::TextContext& text) const {
    const ltx::Guidance guidance{c_.hyper.at("guidance_scale"), c_.hyper.value("guidance_rescale", 0.0)};
    const ltx::VideoPlan plan{
        .grid = ltx::latent_grid(
            vae_config_, ltx::latent_frames(c_.hyper.at("requested_frames"), vae_config_.temporal_compression()),
            c_.hyper.at("height"), c_.hyper.at("width")),
        .frame_rate = c_.hyper.value("frame_rate", 25.0),
        .steps = c_.hyper.at("steps"),
        .guidance = guidance};
    const auto scheduler = ltx::scheduler_config(c_.hyper.value("scheduler", nlohmann::json::object()), c_.name);
    ltx::VideoSampler sampler(transformer_, scheduler, vae_config_, plan,
                              guidance.is_active() ? ltx::joined({of_ids("negative_ids"), text}) : text,
                              c_.exact_input("noise_latents"), picture_);
    while (!sampler.is_finished()) sampler.step();
    return decoded(sampler.latents());
  }

 private:
  /// T5 sees no mask; the transformer does. Padding is 0.
  ltx::TextContext of_ids(const char* name) const {
    const at::Tensor& ids = c_.input(name);
    return transformer_->context(text_.forward(ids), ids != 0);
  }
  at::Tensor decoded(const at::Tensor& latents) const {
    return vae_.decode(vae_.denormalise(latents).to(c_.target.dtype));
  }

  const Case& c_;
  ltx::VaeConfig vae_config_;
  ltx::Vae vae_;
  std::shared_ptr<const ltx::Transformer> transformer_;
  t5::Encoder text_;
  at::Tensor picture_;
};

at::Tensor adapter_tokens(const Case& c, const Language& language) {
  const tensor::WeightMap spatial_weights = c.weights.under("dino."), weights = c.weights.under("adapter.");
  const dinov2::Config spatial_config = foresight_dinov2_config(c.hyper.at("dino"), spatial_weights);
  const dinov2::Encoder spatial(spatial_config, dinov2::with_hub_names(spatial_weights));
  const foresight::AdapterConfig config = foresight_adapter_config(c.hyper.at("adapter"), weights);
  const foresight::Adapter adapter(config, weights);
  const at::Tensor pixels = dinov2::squeezed(c.exact_input("image").cpu(), c.hyper.at("dino_square"));
  return adapter.forward(language.features(), spatial.patch_tokens(pixels));
}

Produced foresight_end_to_end(const Case& c) {
  Produced produced;
  const auto wants = [&](const std::string& prefix) {
    return c.wants(prefix + "_video_first_last") || c.wants(prefix + "_frames_uint8");
  };
  const auto add = [&](const std::string& prefix, const at::Tensor& video) {
    produced.tensors[prefix + "_video_first_last"] =
        at::stack({video.select(2, 0), video.select(2, video.size(2) - 1)}, 2);
    produced.tensors[prefix + "_frames_uint8"] = ltx::frames(video);
  };
  const bool writes = c.wants("out_text_tokens") || c.wants("out_text_logits"), adapts = wants("out_adapter");
  std::optional<Language> language;
  if (writes || adapts) language.emplace(c);
  if (writes) language->write(produced);
  if (!adapts && !wants("out_prompt") && !c.wants("out_first_frame_alone")) return produced;
  const Video video(c);
  if (c.wants("out_first_frame_alone")) produced.tensors["out_first_frame_alone"] = video.first_frame_alone();
  if (wants("out_prompt")) add("out_prompt", video.following(video.prompt()));
  if (adapts) add("out_adapter", video.following(video.embeddings(adapter_tokens(c, *language))));
  return produced;
}

}  // namespace

void add_foresight_end_to_end(Registry& registry) {
  registry[{"foresight", "foresight_end_to_end"}] = foresight_end_to_end;
}

}  // namespace rushes::verify
