// Golden cases of Ditto's motion: conditions, diffusion, windows, retargeting.
#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/generation/ditto/settings.h"
#include "rushes/models/ditto/conditions.h"
#include "rushes/models/ditto/control_tables.h"
#include "rushes/models/ditto/face_geometry.h"
#include "rushes/models/ditto/lmdm.h"
#include "rushes/models/ditto/motion_sampler.h"
#include "rushes/models/ditto/motion_windows.h"
#include "rushes/models/ditto/retargeting.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/ditto/motion_options.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

using namespace ditto;
using nlohmann::json;

at::Tensor integers(const std::vector<int64_t>& values) { return at::tensor(values, at::TensorOptions(at::kLong)); }
at::Tensor floats(const std::vector<double>& values) { return at::tensor(values, at::TensorOptions(at::kFloat)); }

Produced scheduler(const Case& c) {
  const int64_t timesteps = c.hyper.value("n_timestep", int64_t{1000});
  Produced produced;
  for (const int64_t steps : c.hyper.at("steps").get<std::vector<int64_t>>()) {
    const nn::CosineDdim schedule(steps, timesteps, c.hyper.value("cosine_s", 0.008));
    const at::Tensor a = schedule.alphas_cumprod();
    produced.tensors["out.alphas_cumprod"] = a;
    produced.tensors["out.sqrt_recip1m_alphas_cumprod"] = at::sqrt(at::reciprocal(1 - a));
    produced.tensors["out.sqrt_recipm1_alphas_cumprod"] = at::sqrt(at::reciprocal(a) - 1);
    std::vector<int64_t> times;
    std::vector<double> next, sigma, noise;
    for (const auto& step : schedule.steps()) {
      times.push_back(step.time);
      if (step.next < 0) continue;
      next.push_back(step.next_scale);
      sigma.push_back(step.sigma);
      noise.push_back(step.c);
    }
    times.push_back(-1);
    produced.tensors[fmt::format("out.times_{}", steps)] = integers(times);
    produced.tensors[fmt::format("out.alpha_next_sqrt_{}", steps)] = floats(next);
    produced.tensors[fmt::format("out.sigma_{}", steps)] = floats(sigma);
    produced.tensors[fmt::format("out.c_{}", steps)] = floats(noise);
  }
  return produced;
}

Produced lmdm_block(const Case& c) {
  const int64_t D = c.hyper.at("latent_dim"), heads = c.hyper.at("num_heads");
  const FilmLayer decoder(c.weights.under("decoder_layer."), D, heads);
  const ConditionLayer encoder(c.weights.under("encoder_layer."), D, heads);
  const at::Tensor &memory = c.input("in.memory"), &conditions = c.input("in.src");
  const Rotary rotary(c.weights.at("decoder_layer.rotary.freqs"), std::max(memory.size(1), conditions.size(1)));
  return {{{"out.y", decoder(c.input("in.x"), decoder.cross_attention.keys_and_values(rotary(memory), memory),
                             mish(c.input("in.t")), rotary)},
           {"out.enc", encoder(conditions, rotary)}},
          {}};
}

Produced lmdm_forward(const Case& c) {
  const Lmdm model(c.weights, c.hyper.at("num_heads"));
  const Lmdm::Window window = model.window(c.input("in.cond"), c.input("in.cond_frame"));
  const at::Tensor& x = c.recorded.at("in.x");
  const auto at_time = [&](const char* name) {
    return model.forward(x, window, model.step(static_cast<double>(c.input(name).item<int64_t>())));
  };
  const Lmdm::Prediction first = at_time("in.time_cond"), second = at_time("in.time_cond2");
  const at::Tensor clean = MotionSampler::guided(second);
  const int64_t time = c.input("in.time_cond2").item<int64_t>();
  const at::Tensor a = nn::CosineDdim(1).alphas_cumprod()[time];
  return {{{"out.cond_out", first.conditional},
           {"out.uncond_out", first.dropped},
           {"out.guided", MotionSampler::guided(first)},
           {"out.x_start", clean},
           {"out.pred_noise", (x * at::sqrt(at::reciprocal(a)) - clean) / at::sqrt(at::reciprocal(a) - 1)}},
          {}};
}

Produced lmdm_sample(const Case& c) {
  const Lmdm model(c.weights, c.hyper.at("num_heads"));
  const MotionSampler sampler(model, c.hyper.at("sampling_timesteps"));
  const MotionSampler::Noise noise{c.recorded.at("in.x_init"), c.recorded.at("in.noise").unbind(0)};
  return {{{"out.motion", sampler.sample(c.input("in.aud_cond"), c.input("in.kp_cond"), noise)}}, {}};
}

Produced condition(const Case& c) {
  Produced produced;
  for (const auto& [name, variant] : c.hyper.at("variants").items()) {
    const bool video = variant.at("source") == "video";
    Conditions conditions;
    if (variant.value("use_emo", true))
      conditions.emotion = variant.at("emo").is_string() ? c.recorded.at(variant.at("emo").get<std::string>())
                                                         : generation::emotions_of(variant.at("emo"));
    if (variant.value("use_eye_open", true))
      conditions.eye_open = c.recorded.at(video ? "in.eye_open_v" : "in.eye_open");
    if (variant.value("use_eye_ball", true))
      conditions.eye_ball = c.recorded.at(video ? "in.eye_ball_v" : "in.eye_ball");
    if (variant.value("use_sc", true)) conditions.sc = c.recorded.at("in.sc");
    conditions.moving_eyes = video && !variant.value("eye_f0_mode", false);
    produced.tensors[name] =
        conditions.rows(c.recorded.at(variant.at("audio").get<std::string>()), variant.at("start_index"));
  }
  return produced;
}

Produced fuse(const Case& c) {
  WindowOptions options = window_options(c.hyper);
  if (c.has_input("in.v_min")) {
    options.lowest = c.recorded.at("in.v_min");
    options.highest = c.recorded.at("in.v_max");
  }
  MotionFusion fusion(options, motion_vector(from_source_vector(c.recorded.at("in.x_s"))));
  const at::Tensor& predictions = c.recorded.at("in.preds");
  std::vector<at::Tensor> seen;
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < predictions.size(0); ++i) {
    seen.push_back(fusion.condition_frame());
    fusion.add(predictions[i]);
    lengths.push_back(fusion.length());
  }
  at::Tensor last = fusion.frames(fusion.length() - 1, 1).squeeze(0).clone();
  last[0] += 1;
  return {{{"out.res", fusion.sequence()},
           {"out.kp_cond_seen", at::cat(seen, 0)},
           {"out.kp_cond_next", fusion.condition_frame()},
           {"out.lengths", integers(lengths)},
           {"out.info_last", last}},
          {}};
}

Produced online_stream(const Case& c) {
  Produced produced;
  WindowOptions options = window_options(c.hyper);
  options.online = true;
  Conditions conditions;
  conditions.emotion = c.recorded.at("in.emo");
  const at::Tensor &rows = c.recorded.at("in.rows"), &projection = c.recorded.at("in.proj");
  const at::Tensor start = motion_vector(from_source_vector(c.recorded.at("in.x_s")));
  const json& pushes = c.hyper.at("pushes");
  for (std::size_t v = 0; v < pushes.size(); ++v) {
    OnlineMotion stream(options, start, c.recorded.at("in.prefill"));
    std::vector<at::Tensor> motion{rows.new_zeros({0, start.size(1)})};
    std::vector<int64_t> starts, sources;
    const auto predict = [&] {
      while (const auto window = stream.next()) {
        starts.push_back(window->start);
        const at::Tensor condition = conditions.rows(window->features, window->start);
        motion.push_back(stream.accept(at::matmul(condition, projection) + 0.2 * stream.condition_frame()));
      }
    };
    int64_t at = 0;
    for (const int64_t count : pushes[v].get<std::vector<int64_t>>()) {
      stream.push(rows.narrow(0, at, count));
      at += count;
      predict();
    }
    stream.end();
    predict();
    at::Tensor all = at::cat(motion, 0);
    all.select(1, 0).add_(1);
    for (int64_t i = 0; i < all.size(0); ++i) sources.push_back(mirror_index(i, c.hyper.at("source_frames")));
    at::Tensor reference = stream.reference().squeeze(0).clone();
    reference[0] += 1;
    const std::string name = fmt::format("out.v{}_", v);
    produced.tensors[name + "motion"] = all;
    produced.tensors[name + "source_frame"] = integers(sources);
    produced.tensors[name + "starts"] = integers(starts);
    produced.tensors[name + "d0"] = reference;
  }
  return produced;
}

Produced pose_keypoints(const Case& c) {
  const at::Tensor& rows = c.recorded.at("in.x_s");
  std::vector<at::Tensor> angles, rotations, points;
  for (int64_t i = 0; i < rows.size(0); ++i) {
    const HeadMotion motion = from_source_vector(rows[i]);
    const at::Tensor pitch = degrees(motion.pitch), yaw = degrees(motion.yaw), roll = degrees(motion.roll);
    angles.push_back(at::cat({pitch, yaw, roll}, 1));
    rotations.push_back(rotation(pitch, yaw, roll));
    points.push_back(keypoints(motion, motion.kp));
  }
  return {{{"out.degrees", at::cat(angles)}, {"out.rotation", at::cat(rotations)}, {"out.keypoints", at::cat(points)}},
          {}};
}

Produced motion_stitch(const Case& c) {
  Produced produced;
  const StitchNetwork stitch(c.weights);
  const json& variants = c.hyper.at("variants");
  const at::Tensor &sources = c.recorded.at("in.x_s"), &driving = c.recorded.at("in.x_d");
  for (std::size_t v = 0; v < variants.size(); ++v) {
    const json& setup = variants[v].at("setup");
    RetargetOptions options = retarget_options(setup);
    if (setup.value("use_delta_eye", false)) {
      options.blink = c.recorded.at("in.delta_eye_arr");
      const BlinkRule rule = generation::blink_rule_of(setup.at("delta_eye_open_n"));
      const int64_t frames = setup.value("N_d", int64_t{-1});
      options.blink_rows = blink_rows(frames < 0 ? 3000 : frames, options.blink.size(0), rule, [] { return 60; });
    }
    if (setup.value("use_ch", false)) options.character_scale = c.recorded.at("in.ch_scale").item<float>();
    Retargeting retargeting(options, from_source_vector(sources[0]),
                            setup.value("flag_stitching", true) ? &stitch : nullptr);
    if (setup.value("use_d0", false)) retargeting.set_reference(from_absolute_vector(c.recorded.at("in.d0")));
    std::vector<at::Tensor> source_points, driving_points;
    for (int64_t i = 0; i < driving.size(0); ++i) {
      const json frames = variants[v].value("per_frame", json::object());
      json own = frames.value(std::to_string(i), json::object());
      const bool moves_expression = own.value("use_delta_exp", false);
      own.erase("use_delta_exp");  // the case's word for an input
      FrameControl control = generation::frame_control_of(own);
      if (moves_expression) control.delta_exp = c.recorded.at("in.delta_exp");
      const at::Tensor& source = sources[options.image ? 0 : mirror_index(i, sources.size(0))];
      const auto points = retargeting.next(from_source_vector(source), from_absolute_vector(driving[i]), control);
      source_points.push_back(points.source);
      driving_points.push_back(points.driving);
    }
    produced.tensors[fmt::format("out.v{}_x_s", v)] = at::cat(source_points);
    produced.tensors[fmt::format("out.v{}_x_d", v)] = at::cat(driving_points);
  }
  return produced;
}

Produced small_tables(const Case& c) {
  Produced produced;
  const int64_t blink = c.hyper.value("blink_frames", int64_t{15});
  for (const auto& [name, table] : c.hyper.items()) {
    const std::string out = "out." + name;
    if (name.starts_with("fade_")) {
      std::vector<double> values;
      for (const auto& [frame, alpha] : fade_alphas(table.at("N_d"), table.at("fade_in"), table.at("fade_out")))
        values.insert(values.end(), {static_cast<double>(frame), alpha});
      produced.tensors[out] = floats(values).view({-1, 2});
    } else if (table.is_object() && table.contains("open_n")) {
      produced.tensors[out] = integers(
          blink_rows(table.at("frames"), blink, generation::blink_rule_of(table.at("open_n")), [] { return 60; }));
    } else if (name.starts_with("mirror_")) {
      std::vector<int64_t> rows;
      for (int64_t i = 0; i < table.at("count").get<int64_t>(); ++i)
        rows.push_back(mirror_index(i, table.at("frames")));
      produced.tensors[out] = integers(rows);
    } else if (name.starts_with("emo_")) {
      produced.tensors[out] = generation::emotions_of(table).squeeze(0);
    } else if (name == "resize_rule_hw") {
      std::vector<int64_t> rows;
      for (const auto& size : table) {
        const int64_t h = size.at(0), w = size.at(1);
        const Sides sides = source_sides(h, w, c.hyper.at("max_size"));
        rows.insert(rows.end(), {h, w, sides.height, sides.width, sides == Sides{h, w} ? 0 : 1});
      }
      produced.tensors["out.resize_rule"] = integers(rows).view({-1, 5});
    }
  }
  return produced;
}

}  // namespace

void add_ditto_motion(Registry& registry) {
  registry[{"ditto", "scheduler"}] = scheduler;
  registry[{"ditto", "lmdm_block"}] = lmdm_block;
  registry[{"ditto", "lmdm_forward"}] = lmdm_forward;
  registry[{"ditto", "lmdm_sample"}] = lmdm_sample;
  registry[{"ditto", "condition"}] = condition;
  registry[{"ditto", "fuse"}] = fuse;
  registry[{"ditto", "online_stream"}] = online_stream;
  registry[{"ditto", "pose_keypoints"}] = pose_keypoints;
  registry[{"ditto", "motion_stitch"}] = motion_stitch;
  registry[{"ditto", "small_tables"}] = small_tables;
}

}  // namespace rushes::verify
