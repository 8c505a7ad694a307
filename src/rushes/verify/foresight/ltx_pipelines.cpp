// Golden cases of LTX-Video's sampling: the schedule, and whole pipelines from ids, a picture and recorded noise to
// frames.
#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/models/ltx/config_json.h"
#include "rushes/models/ltx/pixels.h"
#include "rushes/models/ltx/vae.h"
#include "rushes/models/ltx/video_sampler.h"
#include "rushes/models/t5/checkpoint.h"
#include "rushes/models/t5/t5_encoder.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/foresight/configs.h"
#include "rushes/verify/foresight/ltx_cases.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

Produced ltx_scheduler(const Case& c) {
  const ltx::SchedulerConfig config = ltx::scheduler_config(c.hyper, c.name);
  Produced produced;
  std::optional<ltx::Scheduler> last;
  for (const auto& row : c.hyper.at("rows")) {
    last.emplace(config, row.at("sequence_length").get<int64_t>(), row.at("steps").get<int64_t>());
    const std::string tag = row.at("tag");
    produced.tensors["out_sigmas_" + tag] = at::tensor(at::ArrayRef<float>(last->sigmas()));
    produced.tensors["out_timesteps_" + tag] = at::tensor(at::ArrayRef<float>(last->timesteps()));
    const double mu = ltx::shift_exponent(config, row.at("sequence_length"));
    if (row.contains("mu"))
      produced.checks.push_back({"mu of " + tag, std::abs(mu - row.at("mu").get<double>()) < 1e-9,
                                 fmt::format("{} instead of {}", mu, row.at("mu").get<double>())});
  }
  if (!c.has_input("sample")) return produced;
  at::Tensor sample = c.exact_input("sample");
  const at::Tensor& outputs = c.exact_input("model_output");
  for (int64_t i = 0; i < outputs.size(0); ++i) {
    sample = last->step(i, outputs[i], sample);
    produced.tensors[fmt::format("out_trace_step{}", i)] = sample;
  }
  return produced;
}

/// Models and settings of a pipeline case.
struct Pipeline {
  const Case& c;
  ltx::VaeConfig vae_config;
  ltx::Vae vae;
  std::shared_ptr<const ltx::Transformer> transformer;
  t5::Encoder text_encoder;
  ltx::VideoPlan plan;

  explicit Pipeline(const Case& c)
      : c(c),
        vae_config(ltx::vae_config(c.hyper.at("vae"), c.name)),
        vae(vae_config, c.weights.under("vae.")),
        transformer(std::make_shared<const ltx::Transformer>(ltx::transformer_config(c.hyper.at("transformer"), c.name),
                                                             c.weights.under("transformer."))),
        text_encoder(foresight_t5_config(c.hyper.at("text_encoder")),
                     t5::with_published_names(c.weights.under("text_encoder."))) {
    const int64_t stride = vae_config.temporal_compression();
    plan.grid = ltx::latent_grid(vae_config, ltx::latent_frames(c.hyper.at("requested_frames"), stride),
                                 c.hyper.at("height"), c.hyper.at("width"));
    plan.frame_rate = c.hyper.value("frame_rate", plan.frame_rate);
    plan.steps = c.hyper.at("steps");
    plan.guidance = {c.hyper.at("guidance_scale"), c.hyper.value("guidance_rescale", 0.0)};
  }

  /// T5 sees no mask; the transformer does. Padding is 0.
  ltx::TextContext context(const char* name) const {
    const at::Tensor& ids = c.input(name);
    return transformer->context(text_encoder.forward(ids), ids != 0);
  }
  ltx::TextContext text() const {
    if (!plan.guidance.is_active()) return context("prompt_ids");
    return ltx::joined({context("negative_ids"), context("prompt_ids")});
  }

  at::Tensor picture_latent() const {
    const at::Tensor picture =
        ltx::first_frame(c.exact_input("image").cpu(), c.hyper.at("height"), c.hyper.at("width"));
    const ltx::Posterior posterior = vae.encode(picture.to(c.target.device, c.target.dtype));
    return vae.normalise(posterior.sample(c.exact_input("noise_posterior")));
  }

  at::Tensor decoded(const at::Tensor& latents) const {
    at::Tensor z = vae.denormalise(latents).to(c.target.dtype);
    ltx::DecodeCondition condition;
    if (vae_config.timestep_conditioning) {
      condition.timestep = c.hyper.value("decode_timestep", 0.0);
      const double share = c.hyper.value("decode_noise_scale", condition.timestep);
      if (c.has_input("noise_decode")) z = z * (1 - share) + c.input("noise_decode") * share;
    }
    if (c.has_input("noise_00")) condition.noise = recorded_maps(c);
    return vae.decode(z, recorded_tiling(c.hyper), condition);
  }

  Produced run(const at::Tensor& first_frame) const {
    ltx::VideoSampler sampler(transformer,
                              ltx::scheduler_config(c.hyper.value("scheduler", nlohmann::json::object()), c.name),
                              vae_config, plan, text(), c.exact_input("noise_latents"), first_frame);
    std::vector<at::Tensor> per_step;
    Produced produced;
    while (!sampler.is_finished()) {
      sampler.step();
      per_step.push_back(ltx::pack(sampler.latents()));
    }
    produced.tensors["mid_latents_per_step"] = at::stack(per_step);
    const at::Tensor video = decoded(sampler.latents());
    produced.tensors["out_frames_uint8"] = ltx::frames(video);
    const int64_t last = video.size(2) - 1;
    if (const at::Tensor* wanted = c.wanted("out_video_first_last"); wanted != nullptr) {
      const at::Tensor ends = at::stack({video.select(2, 0), video.select(2, last)}, 2);
      // Raw, or as pixels from 0 to 1 with channels last.
      produced.tensors["out_video_first_last"] = wanted->dim() == 5 ? ends : ltx::unit_frames(ends);
    }
    const at::Tensor whole = ltx::pack(sampler.preview()), end = ltx::pack(sampler.latents());
    const double apart = (whole - end).abs().max().item<double>();
    produced.checks.push_back({"the last preview is the result", apart < 1e-4 * (1 + end.abs().max().item<double>()),
                               fmt::format("largest difference {:.3g}", apart)});
    return produced;
  }
};

Produced ltx_i2v_pipeline(const Case& c) {
  const Pipeline pipeline(c);
  const at::Tensor picture = pipeline.picture_latent();
  Produced produced = pipeline.run(picture);
  produced.tensors["mid_first_frame_alone"] = pipeline.decoded(picture);
  return produced;
}

Produced ltx_t2v_pipeline(const Case& c) { return Pipeline(c).run({}); }

}  // namespace

void add_foresight_ltx_pipelines(Registry& registry) {
  registry[{"foresight", "ltx_scheduler"}] = ltx_scheduler;
  registry[{"foresight", "ltx_i2v_pipeline"}] = ltx_i2v_pipeline;
  registry[{"foresight", "ltx_t2v_pipeline"}] = ltx_t2v_pipeline;
}

}  // namespace rushes::verify
