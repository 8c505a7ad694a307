// The golden case of whole use: a source is registered, then speech moves it, online and offline.
#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/generation/ditto/settings.h"
#include "rushes/models/ditto/face_mesh.h"
#include "rushes/models/ditto/head_renderer.h"
#include "rushes/models/ditto/source.h"
#include "rushes/models/ditto/speech_motion.h"
#include "rushes/models/wav2vec/encoder.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/ditto/configs.h"
#include "rushes/verify/ditto/motion_options.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

using namespace ditto;
using nlohmann::json;

/// The networks of a case; what makes frames follows the target's dtype, as in the product.
struct Networks {
  explicit Networks(const Case& c)
      : hubert(hubert_config(c.hyper.at("hubert")), c.exact_weights.under("hubert.")),
        lmdm(c.exact_weights.under("lmdm."), c.hyper.at("lmdm").at("num_heads")),
        appearance(c.exact_weights.under("appearance."), c.hyper.at("appearance").at("reshape_depth")),
        motion(c.exact_weights.under("motion.")),
        warp(c.weights.under("warp.")),
        decoder(c.weights.under("decoder.")),
        stitch(c.exact_weights.under("stitch.")),
        speech(hubert, chunk_size(c.hyper)),
        sampler(lmdm, c.hyper.at("sampling_timesteps")) {}

  wav2vec::Encoder hubert;
  Lmdm lmdm;
  AppearanceExtractor appearance;
  MotionExtractor motion;
  WarpNetwork warp;
  SpadeDecoder decoder;
  StitchNetwork stitch;
  SpeechFeatures speech;
  MotionSampler sampler;
};

struct Run {
  WindowOptions windows;
  Conditions conditions;
  at::Tensor start_frame;  // [1, N]
  RetargetOptions retarget;
  std::map<int64_t, double> fades;
};

/// In the layout for streams.
at::Tensor stream_features(const SpeechFeatures& speech, std::span<const float> samples) {
  SpeechWindows cutter(speech.size());
  std::vector<at::Tensor> rows;
  for (const auto& windows : {cutter.push(samples), cutter.finish()})
    for (const auto& window : windows)
      rows.push_back(speech.windows(at::tensor(window, at::TensorOptions(at::kFloat)).unsqueeze(0)).squeeze(0));
  return at::cat(rows);
}

/// Speech through all of it, in pieces of an odd size.
void run(const Case& c, const Networks& networks, const SourceFrame& source, const Run& setup, const std::string& name,
         Produced& produced) {
  const at::Tensor audio = c.recorded.at("in.audio").contiguous();
  std::vector<at::Tensor> starts = c.recorded.at("in.x_init").unbind(0);
  SpeechMotion motion(networks.speech, networks.sampler, setup.windows, setup.conditions, setup.start_frame,
                      MotionNoise(c.recorded.at("in.noise").unbind(0), {starts.begin(), starts.end()}));
  std::vector<SpeechMotion::Window> windows;
  std::vector<at::Tensor> rows;
  const auto work = [&] {
    for (auto progress = motion.step(); progress.worked; progress = motion.step())
      if (progress.window) {
        rows.push_back(progress.window->frames);
        windows.push_back(std::move(*progress.window));
      }
  };
  const std::span<const float> samples(audio.const_data_ptr<float>(), static_cast<std::size_t>(audio.numel()));
  for (std::size_t at = 0; at < samples.size(); at += 777) {
    motion.hear(samples.subspan(at, std::min<std::size_t>(777, samples.size() - at)));
    work();
  }
  motion.end();
  work();

  Retargeting retargeting(setup.retarget, source.motion, &networks.stitch);
  if (setup.windows.online) retargeting.set_reference(from_motion_vector(motion.reference()));
  const HeadRenderer renderer(networks.warp, networks.decoder);
  const PutBack put_back(source.crop_to_frame, source.pixels.size(0), source.pixels.size(1));
  const at::Tensor feature = source.feature.to(c.target.dtype), frames_of_motion = at::cat(rows);
  std::vector<at::Tensor> points, frames;
  for (int64_t i = 0; i < frames_of_motion.size(0); ++i) {
    FrameControl control;
    if (const auto fade = setup.fades.find(i); fade != setup.fades.end()) control.fade_alpha = fade->second;
    const auto moved = retargeting.next(source.motion, from_motion_vector(frames_of_motion[i]), control);
    const HeadRenderer::Drawn drawn = renderer.draw(feature, moved);
    points.push_back(moved.driving);
    frames.push_back(put_back(drawn.render, source.pixels));
    if (i > 0) continue;
    produced.tensors["out." + name + "_x_s"] = moved.source;
    produced.tensors["out." + name + "_f3d_0"] = drawn.feature;
    produced.tensors["out." + name + "_render_0"] = drawn.render;
    produced.tensors["out." + name + "_render_0_stride8"] =
        drawn.render.slice(0, 0, std::nullopt, 8).slice(1, 0, std::nullopt, 8);
  }
  std::vector<at::Tensor> conditions;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    conditions.push_back(windows[i].condition_frame);
    produced.tensors[fmt::format("out.{}_aud_cond_w{}", name, i)] = windows[i].rows;
    produced.tensors[fmt::format("out.{}_pred_w{}", name, i)] = windows[i].motion;
  }
  produced.tensors["out." + name + "_feat"] =
      setup.windows.online
          ? at::cat({networks.speech.silence(setup.windows.overlap), stream_features(networks.speech, samples)})
          : networks.speech.whole(audio);
  produced.tensors["out." + name + "_kp_cond"] = at::cat(conditions);
  produced.tensors["out." + name + "_x_d"] = at::cat(points);
  produced.tensors["out." + name + "_frames"] = at::stack(frames);
  produced.tensors["out." + name + "_windows"] = at::tensor(static_cast<int64_t>(windows.size())).view({1});
}

CropRule crop_rule(const json& options) {
  CropRule rule;
  rule.scale = options.value("crop_scale", rule.scale);
  rule.shift_y = options.value("crop_vy_ratio", rule.shift_y);
  return rule;
}

at::Tensor source_vector(const HeadMotion& motion) {
  return at::cat({motion.scale, motion.pitch, motion.yaw, motion.roll, motion.t, motion.exp, motion.kp}, 1).squeeze(0);
}

Run online_run(const Case& c, const HeadMotion& source, const Eyes& eyes) {
  const json& options = c.hyper.at("online_options");
  Run run;
  json windows = options;
  windows["online_mode"] = true;
  windows["seq_frames"] = c.hyper.at("lmdm").at("seq_frames");
  run.windows = window_options(windows);
  run.windows.lowest = c.recorded.at("in.v_min");
  run.windows.highest = c.recorded.at("in.v_max");
  run.conditions = {
      .emotion = c.recorded.at("in.emo"), .eye_open = eyes.open, .eye_ball = eyes.ball, .sc = source.kp.squeeze(0)};
  HeadMotion start = source;
  if (options.value("use_ch", false)) {
    start = from_source_vector(c.recorded.at("in.ch_x_s"));
    run.conditions.sc = c.recorded.at("in.ch_sc");
    run.conditions.eye_open = c.recorded.at("in.ch_eye_open");
    run.conditions.eye_ball = c.recorded.at("in.ch_eye_ball");
  }
  run.start_frame = motion_vector(start);
  run.retarget = retarget_options(options);
  if (options.value("use_ch", false)) run.retarget.character_scale = start.scale.item<float>();
  // The number of frames is that of the speech; fades and blinks follow it.
  const int64_t frames = frames_of(c.recorded.at("in.audio").numel());
  run.retarget.blink = c.recorded.at("in.delta_eye_arr");
  run.retarget.blink_rows = blink_rows(frames, run.retarget.blink.size(0),
                                       generation::blink_rule_of(options.at("delta_eye_open_n")), [] { return 60; });
  if (c.hyper.contains("fade"))
    run.fades = fade_alphas(frames, c.hyper.at("fade").at("fade_in"), c.hyper.at("fade").at("fade_out"));
  return run;
}

Run offline_run(const Case& c, const HeadMotion& source, const Eyes& eyes) {
  const json& options = c.hyper.at("offline_options");
  Run run;
  json windows = options;
  windows["seq_frames"] = c.hyper.at("lmdm").at("seq_frames");
  run.windows = window_options(windows);
  run.conditions = {.emotion = generation::emotions_of(options.value("emo", json(4))),
                    .eye_open = eyes.open,
                    .eye_ball = eyes.ball,
                    .sc = source.kp.squeeze(0)};
  run.start_frame = motion_vector(source);
  run.retarget = retarget_options(options);
  return run;
}

Produced pipeline(const Case& c) {
  const Networks networks(c);
  const at::Tensor pixels = fitted(c.input("in.image"), c.hyper.value("max_size", int64_t{1920}));
  const SourceEncoder encoder(networks.appearance, networks.motion, 256, c.target.device);
  const SourceFrame source =
      encoder.encode(pixels, c.recorded.at("in.lmk203"), crop_rule(c.hyper.at("online_options")));
  const Eyes eyes = eyes_of(c.recorded.at("in.lmk478"));
  Produced produced{{{"out.source_x_s_info", source_vector(source.motion)},
                     {"out.source_f_s", source.feature},
                     {"out.source_M_c2o", source.crop_to_frame.matrix()},
                     {"out.source_eye_open", eyes.open},
                     {"out.source_eye_ball", eyes.ball}},
                    {}};
  run(c, networks, source, online_run(c, source.motion, eyes), "online", produced);
  run(c, networks, source, offline_run(c, source.motion, eyes), "offline", produced);
  return produced;
}

}  // namespace

void add_ditto_pipeline(Registry& registry) { registry[{"ditto", "pipeline"}] = pipeline; }

}  // namespace rushes::verify
