// Golden cases of how OmniAvatar divides, sizes and samples a video.
#include <fmt/format.h>

#include "rushes/models/omniavatar/guidance.h"
#include "rushes/models/omniavatar/picture.h"
#include "rushes/models/omniavatar/segments.h"
#include "rushes/models/wan/embeddings.h"
#include "rushes/nn/euler.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/omniavatar/configs.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

using Integers = std::vector<int64_t>;

at::Tensor floats(const std::vector<double>& values) { return at::tensor(values, at::TensorOptions(at::kFloat)); }

Produced scheduler(const Case& c) {
  Produced produced;
  for (const int64_t n : c.hyper.at("num_steps").get<Integers>()) {
    nn::Euler solver(nn::FlowMatchSchedule({.shift = c.hyper.value("shift", 5.0),
                                            .steps = n,
                                            .train_timesteps = c.hyper.value("num_train_timesteps", int64_t{1000}),
                                            .sigma_max = c.hyper.value("sigma_max", 1.0),
                                            .sigma_min = c.hyper.value("sigma_min", 0.0),
                                            .extra_one_step = c.hyper.value("extra_one_step", true)}));
    const at::Tensor sigmas = floats(solver.sigmas()), times = floats(solver.timesteps());
    const at::Tensor rounded = times.to(at::kBFloat16).to(at::kFloat);
    produced.tensors[fmt::format("sigmas_{}", n)] = sigmas.narrow(0, 0, n);
    produced.tensors[fmt::format("timesteps_{}", n)] = times;
    produced.tensors[fmt::format("timesteps_bf16_{}", n)] = rounded;
    at::Tensor x = c.exact_input(fmt::format("x0_{}", n));
    for (int64_t i = 0; i < n; ++i) {
      const std::string velocity = fmt::format("vel_{}_{}", n, i);
      x = solver.step(c.has_input(velocity) ? c.exact_input(velocity) : at::zeros_like(x), x);
      produced.tensors[fmt::format("x_{}_{}", n, i)] = x;
      for (const auto& [type, time] : {std::pair{"bf16", rounded[i]}, std::pair{"f32", times[i]}}) {
        const std::string name = fmt::format("sinusoid_{}_{}_{}", type, n, i);
        const at::Tensor* wanted = c.wanted(name);
        if (!wanted) continue;
        const at::Tensor sinusoid = wan::time_sinusoid(time.view({1}), wanted->size(-1));
        produced.tensors[name] =
            (type == std::string_view("bf16") ? sinusoid.to(at::kBFloat16) : sinusoid).to(at::kFloat);
      }
    }
  }
  return produced;
}

Produced guidance(const Case& c) {
  const at::Tensor negative = c.exact_input("v_neg_noaudio"), silent = c.exact_input("v_text_noaudio"),
                   both = c.exact_input("v_text_audio");
  const omniavatar::Guidance one{.text_scale = c.hyper.at("guidance_scale")};
  omniavatar::Guidance two = one;
  if (c.hyper.contains("audio_scale") && !c.hyper.at("audio_scale").is_null())
    two.audio_scale = c.hyper.at("audio_scale").get<double>();
  Produced produced{{{"two_pass", one.combine(at::cat({negative, both}))}}, {}};
  if (two.passes() == 3) produced.tensors["three_pass"] = two.combine(at::cat({negative, silent, both}));
  return produced;
}

Produced segments(const Case& c) {
  Integers table;
  for (const Integers& row : c.hyper.at("rows").get<std::vector<Integers>>()) {
    const omniavatar::Segments s = omniavatar::segments_of_speech(row.at(0), {.height = row.at(1),
                                                                              .width = row.at(2),
                                                                              .max_tokens = row.at(3),
                                                                              .overlap = row.at(4),
                                                                              .fps = static_cast<double>(row.at(5))});
    table.insert(table.end(), row.begin(), row.end());
    const Integers result{s.video_frames, s.latent_frames, s.speech_frames,     s.padded_frames,
                          s.pad_samples,  s.count,         s.speech_frames + 1, s.overlap_latent_frames()};
    table.insert(table.end(), result.begin(), result.end());
  }
  const auto columns = static_cast<int64_t>(c.hyper.at("columns").size());
  return {{{"table", at::tensor(table, at::kLong).view({-1, columns})}}, {}};
}

Produced image_preprocess(const Case& c) {
  Produced produced;
  int64_t i = 0;
  for (const auto& spec : c.hyper.at("specs")) {
    const std::vector<omniavatar::Size> sizes = avatar_sizes(spec.at("sizes"));
    const at::Tensor& image = c.exact_input(fmt::format("image_{}", i));
    const omniavatar::Size own{image.size(0), image.size(1)}, chosen = omniavatar::nearest_size(own, sizes);
    produced.tensors[fmt::format("size_{}", i)] = at::tensor(Integers{chosen.height, chosen.width}, at::kLong);
    produced.tensors[fmt::format("pixels_{}", i)] =
        omniavatar::picture_pixels(image, omniavatar::covering(own, chosen), chosen);
    ++i;
  }
  Integers table;
  for (const Integers& row : c.hyper.value("match_table_hw", std::vector<Integers>{})) {
    const omniavatar::Size own{row.at(0), row.at(1)};
    table.insert(table.end(), {own.height, own.width});
    for (const char* list : {"sizes_480p", "sizes_720p"}) {
      const omniavatar::Size chosen = omniavatar::nearest_size(own, avatar_sizes(c.hyper.at(list)));
      table.insert(table.end(), {chosen.height, chosen.width});
    }
  }
  if (!table.empty()) produced.tensors["match_table"] = at::tensor(table, at::kLong).view({-1, 6});
  return produced;
}

}  // namespace

void add_omniavatar_sampling(Registry& registry) {
  registry[{"omniavatar", "scheduler"}] = scheduler;
  registry[{"omniavatar", "guidance"}] = guidance;
  registry[{"omniavatar", "segments"}] = segments;
  registry[{"omniavatar", "image_preprocess"}] = image_preprocess;
}

}  // namespace rushes::verify
