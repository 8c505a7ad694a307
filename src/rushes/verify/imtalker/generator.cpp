// Golden cases of the motion generator: the flow transformer, its solver, windows and their joins.
#include <fmt/format.h>

#include <cmath>

#include "rushes/models/imtalker/checkpoint.h"
#include "rushes/models/imtalker/motion_generator.h"
#include "rushes/nn/ode.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/imtalker/configs.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

using imtalker::Conditions;
using nlohmann::json;

Produced cond_projection(const Case& c) {
  Produced produced;
  for (const char* name : {"audio", "gaze", "pose", "cam"}) {
    if (!c.wants(fmt::format("out.{}", name))) continue;
    const imtalker::ConditionProjection projection(c.weights.under(fmt::format("{}_projection.", name)));
    produced.tensors[fmt::format("out.{}", name)] = projection(c.input(fmt::format("in.{}", name)));
  }
  return produced;
}

Produced time_embedding(const Case& c) {
  const imtalker::TimeEmbedding embedding(c.weights.under("fmt.t_embedder."));
  return {{{"out.emb", embedding.forward(c.recorded.at("in.t"))}}, {}};
}

Produced rope(const Case& c) {
  const at::Tensor q = c.input("in.q").transpose(1, 2), k = c.input("in.k").transpose(1, 2);
  const nn::RopeHalves table(q.size(1), c.hyper.at("head_dim"), q.device(), c.hyper.value("base", 10000.0));
  return {
      {{"out.q", nn::rotate_halves(q, table).transpose(1, 2)}, {"out.k", nn::rotate_halves(k, table).transpose(1, 2)}},
      {}};
}

Produced fmt_block(const Case& c) {
  const imtalker::FlowBlock block(c.weights.under(c.hyper.at("layer").get<std::string>() + "."),
                                  c.hyper.at("num_heads"));
  const at::Tensor& x = c.input("in.x");
  return {{{"out.y", block.forward(x, c.input("in.c"), nn::RopeHalves(x.size(1), block.head_size(), x.device()))}}, {}};
}

Conditions conditions(const Case& c, const std::string& prefix) {
  return {c.input(prefix + "a"), c.input(prefix + "gaze"), c.input(prefix + "pose"), c.input(prefix + "cam")};
}

imtalker::FlowTransformer flow_transformer(const Case& c) {
  const imtalker::GeneratorConfig config = generator_config(c.hyper.at("generator"), c.weights);
  return {config, c.completed(c.weights.under("fmt."), imtalker::parameter_shapes(config), "fmt.")};
}

Produced fmt_forward(const Case& c) {
  const auto model = flow_transformer(c);
  const imtalker::MotionContext past{c.input("in.prev_x"), conditions(c, "in.prev_")};
  return {{{"out.velocity_full", model.forward(c.recorded.at("in.t").item<float>(), c.input("in.x"),
                                               conditions(c, "in."), past, c.input("in.ref_x"))}},
          {}};
}

Produced fmt_cfg(const Case& c) {
  const auto model = flow_transformer(c);
  const imtalker::MotionContext past{c.input("in.prev_x"), conditions(c, "in.prev_")};
  Produced produced;
  for (const json& scale : c.hyper.at("scales"))
    produced.tensors["out.v_cfg_" + scale.dump()] = model.guided(
        c.recorded.at("in.t").item<float>(), c.input("in.x"), conditions(c, "in."), past, c.input("in.ref_x"), scale);
  return produced;
}

Produced ode_solvers(const Case& c) {
  const at::Tensor &A = c.input("in.A"), &b = c.input("in.b");
  Produced produced;
  for (const int64_t points : c.hyper.at("nfe").get<std::vector<int64_t>>()) {
    const std::vector<float> grid = nn::unit_time_grid(points);
    produced.tensors[fmt::format("out.grid_{}", points)] = at::tensor(grid, at::TensorOptions(at::kFloat));
    for (const std::string& method : c.hyper.at("methods").get<std::vector<std::string>>()) {
      int64_t evaluations = 0;
      const auto field = [&](float t, const at::Tensor& y) {
        ++evaluations;
        return at::tanh(at::matmul(y, A)) * (1 + t) + b * std::sin(3 * t);
      };
      produced.tensors[fmt::format("out.{}_{}", method, points)] =
          nn::integrate(field, c.input("in.y0"), grid, nn::ode_method(method));
      produced.tensors[fmt::format("out.evals_{}_{}", method, points)] =
          at::full({}, evaluations, at::TensorOptions(at::kLong));
    }
  }
  return produced;
}

void put_context(Produced& produced, const imtalker::MotionContext& context) {
  produced.tensors["out.ctx_prev_x"] = context.motion;
  produced.tensors["out.ctx_prev_a"] = context.conditions.audio;
  produced.tensors["out.ctx_prev_gaze"] = context.conditions.gaze;
  produced.tensors["out.ctx_prev_pose"] = context.conditions.pose;
  produced.tensors["out.ctx_prev_cam"] = context.conditions.cam;
}

Produced fm_sample(const Case& c) {
  const Speaker speaker(c, c.weights);
  const auto optional = [&](const char* name) {
    return c.has_input(name) ? std::optional(c.input(name)) : std::nullopt;
  };
  tensor::RandomStream noise(c.hyper.at("seed").get<uint64_t>());
  const imtalker::Motion motion = speaker.generator.sample({.audio_features = speaker.features(c.input("in.a")),
                                                            .reference = c.input("in.ref_x"),
                                                            .gaze = optional("in.gaze"),
                                                            .pose = optional("in.pose"),
                                                            .cam = optional("in.cam")},
                                                           motion_options(c.hyper), noise);
  Produced produced{{{"out.motion", motion.latents}}, {}};
  put_context(produced, motion.context);
  return produced;
}

Produced fm_stream_context(const Case& c) {
  const Speaker speaker(c, c.weights);
  tensor::RandomStream noise(c.hyper.at("seed").get<uint64_t>());
  Produced produced;
  imtalker::MotionContext context = speaker.generator.no_past(1);
  for (int64_t i = 0; c.has_input(fmt::format("in.a{}", i)); ++i) {
    const imtalker::Motion motion = speaker.generator.sample(
        {.audio_features = speaker.features(c.input(fmt::format("in.a{}", i))), .reference = c.input("in.ref_x")},
        motion_options(c.hyper), noise, &context);
    produced.tensors[fmt::format("out.motion_{}", i)] = motion.latents;
    context = motion.context;
  }
  put_context(produced, context);
  return produced;
}

Produced fm_window_equivalence(const Case& c) {
  const imtalker::MotionGenerator generator = generator_of(c, c.weights);
  const at::Tensor &features = c.input("in.audio_features"), &reference = c.input("in.ref_x");
  const imtalker::MotionOptions options = motion_options(c.hyper);
  const auto seed = c.hyper.at("seed").get<uint64_t>();
  tensor::RandomStream noise(seed), same_noise(seed);
  std::vector<at::Tensor> windows;
  imtalker::MotionContext context = generator.no_past(features.size(0));
  for (const at::Tensor& window : features.split(generator.config().window_frames(), 1)) {
    const imtalker::Motion motion =
        generator.sample({.audio_features = window, .reference = reference}, options, same_noise, &context);
    windows.push_back(motion.latents);
    context = motion.context;
  }
  return {{{"out.long", generator.sample({.audio_features = features, .reference = reference}, options, noise).latents},
           {"out.chunked", at::cat(windows, 1)}},
          {}};
}

}  // namespace

void add_imtalker_generator(Registry& registry) {
  registry[{"imtalker", "cond_projection"}] = cond_projection;
  registry[{"imtalker", "time_embedding"}] = time_embedding;
  registry[{"imtalker", "rope"}] = rope;
  registry[{"imtalker", "fmt_block"}] = fmt_block;
  registry[{"imtalker", "fmt_forward"}] = fmt_forward;
  registry[{"imtalker", "fmt_cfg"}] = fmt_cfg;
  registry[{"imtalker", "ode_solvers"}] = ode_solvers;
  registry[{"imtalker", "fm_sample"}] = fm_sample;
  registry[{"imtalker", "fm_stream_context"}] = fm_stream_context;
  registry[{"imtalker", "fm_window_equivalence"}] = fm_window_equivalence;
}

}  // namespace rushes::verify
