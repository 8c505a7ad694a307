#include "rushes/training/imtalker/talk_evaluation.h"

#include <fmt/format.h>

#include <cmath>
#include <fstream>

#include "rushes/audio/wav.h"
#include "rushes/base/error.h"
#include "rushes/base/manifest.h"
#include "rushes/generation/imtalker/directory.h"
#include "rushes/generation/imtalker/family.h"
#include "rushes/generation/imtalker/model.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/random.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/face_world/speech_world.h"
#include "rushes/training/imtalker/shipped_talk.h"
#include "rushes/training/png.h"
#include "rushes/training/psnr.h"

namespace rushes::training {
namespace {

constexpr int64_t kJaw = 10, kYaw = 1, kGazeX = 6;  // in a motion latent

std::shared_ptr<const generation::TalkParts> open_parts(const std::filesystem::path& directory) {
  const auto loaded = generation::load_model({.path = directory.string()});
  const auto* model = dynamic_cast<const generation::TalkModel*>(loaded.get());
  require(model != nullptr, ErrorCode::invalid_argument, "'{}' is not a talking-head model", directory.string());
  return model->parts();
}

/// Frames a time: the activations of more do not fit the caches.
at::Tensor rendered(const generation::TalkParts& parts, const at::Tensor& motion, const imtalker::Portrait& portrait) {
  std::vector<at::Tensor> frames;
  for (const at::Tensor& part : motion.split(8)) frames.push_back(parts.renderer.render(part, portrait));
  return at::cat(frames);
}

/// Motion [T, kControls] for speech [S].
at::Tensor motion_of(const generation::TalkParts& parts, const at::Tensor& wave, const imtalker::Portrait& portrait,
                     std::optional<at::Tensor> pose, std::optional<at::Tensor> gaze, uint64_t seed) {
  tensor::RandomStream noise(seed);
  const at::Tensor features = parts.speech_features(wave);
  const int64_t T = features.size(1);
  const auto track = [&](std::optional<at::Tensor>& style) {
    if (style) style = style->expand({T, -1});
  };
  track(pose);
  track(gaze);
  const imtalker::Motion motion =
      parts.generator.sample({.audio_features = features, .reference = portrait.motion, .gaze = gaze, .pose = pose},
                             {.guidance_scale = parts.defaults.cfg_scale, .time_points = parts.defaults.nfe}, noise);
  return portrait.motion + parts.defaults.motion_scale * (motion.latents[0] - portrait.motion);
}

at::Tensor histogram(const at::Tensor& picture) {
  std::vector<at::Tensor> parts;
  for (int64_t c = 0; c < 3; ++c) parts.push_back(at::histc(picture.select(-3, c).flatten(), 12, 0, 1));
  const at::Tensor all = at::cat(parts);
  return all / all.sum();
}

at::Tensor row(std::initializer_list<float> values) {
  return at::tensor(at::ArrayRef<float>(values.begin(), values.size()), at::TensorOptions(at::kFloat)).unsqueeze(0);
}

/// 16-bit mono at kSpeechRate.
void write_wav(const std::filesystem::path& file, const at::Tensor& wave) {
  const at::Tensor samples = wave.to(at::kFloat).contiguous();
  const auto bytes =
      audio::wav_file({samples.const_data_ptr<float>(), static_cast<std::size_t>(samples.numel())}, kSpeechRate);
  std::ofstream stream(file, std::ios::binary);
  stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  require(static_cast<bool>(stream.flush()), ErrorCode::unavailable, "cannot write {}", file.string());
}

/// Portraits that nobody trained on, and a sentence.
void write_examples(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  const char* const names[] = {"ada", "boris", "cleo"};
  for (uint64_t i = 0; i < 3; ++i)
    write_png(folder / fmt::format("{}.png", names[i]),
              draw_face(make_identity(7, i, Split::held_out), {.gaze_x = 0.05f}));
  write_wav(folder / "speech.wav",
            speak("Hello! I am a drawing, and I say what you say. How are you today?", "en-us+f5", 150, 50).wave * 0.8);
}

}  // namespace

at::Tensor mouth_opening(const at::Tensor& frames, const std::vector<MouthBox>& boxes) {
  const at::Tensor inside = at::tensor({0.22, 0.04, 0.06}, at::TensorOptions(at::kFloat)).view({3, 1, 1}),
                   opening = at::empty({frames.size(0)}, at::kFloat);
  for (int64_t t = 0; t < frames.size(0); ++t) {
    const MouthBox& box = boxes[static_cast<std::size_t>(t)];
    const int64_t S = frames.size(3), left = std::clamp<int64_t>(box.x - box.half_width, 0, S - 2),
                  top = std::clamp<int64_t>(box.y - box.half_height, 0, S - 2);
    const at::Tensor mouth = frames[t]
                                 .narrow(1, top, std::min(2 * box.half_height, S - top))
                                 .narrow(2, left, std::min(2 * box.half_width, S - left));
    opening.data_ptr<float>()[t] = at::exp((mouth - inside).square().sum({0}) * -20).mean().item<float>();
  }
  return opening;
}

double correlation(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a - a.mean(), y = b - b.mean();
  return ((x * y).sum() / ((x.square().sum() * y.square().sum()).sqrt() + 1e-12)).item<double>();
}

at::Tensor loudness(const at::Tensor& wave) {
  const at::Tensor frames = wave.view({1, 1, -1, kSamplesPerFrame}).square().mean({3}).sqrt();  // [1, 1, T]
  return at::avg_pool2d(at::constant_pad_nd(frames, {1, 1}).unsqueeze(1).squeeze(1).unsqueeze(2), {1, 3}, {1, 1})
      .flatten();
}

TalkQuality measure_talk(const std::filesystem::path& directory, int64_t people, const std::filesystem::path& sheet) {
  const at::NoGradGuard no_grad;
  const auto opened = open_parts(directory);
  const generation::TalkParts& parts = *opened;
  TalkQuality sum{};
  std::vector<at::Tensor> rows;
  const double share = 1 / static_cast<double>(people);
  for (int64_t i = 0; i < people; ++i) {
    const auto index = static_cast<uint64_t>(i);
    const Identity person = make_identity(91, index, Split::held_out);
    Random random(91, index);
    FaceControls pose = random_controls(random);
    pose.blink = pose.jaw = pose.rounding = pose.width = 0;
    const at::Tensor picture = draw_face(person, pose).unsqueeze(0);
    const imtalker::Portrait portrait = parts.renderer.portrait(picture);
    const SpeechClip spoken = cut(speak(91, index, Split::held_out, 12), 0, 75);
    const at::Tensor motion = motion_of(parts, spoken.wave, portrait, {}, {}, index),
                     frames = rendered(parts, motion, portrait);
    const int64_t T = motion.size(0);
    std::vector<MouthBox> boxes;
    std::vector<at::Tensor> drawings;
    for (int64_t t = 0; t < T; ++t) {
      const FaceControls controls = controls_of(motion[t]);
      boxes.push_back(mouth_box(person, controls));
      drawings.push_back(draw_face(person, controls));
    }
    const at::Tensor audio = loudness(spoken.wave), jaw = motion.select(1, kJaw), truth = spoken.mouth.select(1, 0);
    const at::Tensor seen = mouth_opening(frames, boxes);
    sum.jaw_loudness += share * correlation(jaw, audio);
    sum.truth_loudness += share * correlation(truth, audio);
    sum.jaw_truth += share * correlation(jaw, truth);
    sum.mouth_loudness += share * correlation(seen, audio);
    sum.mouth_truth += share * correlation(seen, truth);
    sum.psnr += share * psnr(frames, at::stack(drawings));
    sum.colour_distance += share * 0.5 * (histogram(picture[0]) - histogram(frames)).abs().sum().item<double>();
    // Silence: a quiet room.
    const at::Tensor quiet = 1e-4 * tensor::RandomStream(index).normal({50 * kSamplesPerFrame});
    const at::Tensor resting =
        motion_of(parts, quiet, portrait, {}, {}, index).select(1, kJaw) / motion_latent({.jaw = 1})[kJaw];
    sum.silent_jaw += share * resting.narrow(0, 5, 45).abs().max().item<double>();
    const auto mean_of_style = [&](float yaw, float gaze_x, int64_t dim) {
      const at::Tensor styled = motion_of(parts, quiet, portrait, row({0, yaw, 0}), row({gaze_x, 0}), index);
      return styled.select(1, dim).mean().item<double>();
    };
    const double yaw_scale = motion_latent({.yaw = 1})[kYaw].item<double>(),
                 gaze_scale = motion_latent({.gaze_x = 1})[kGazeX].item<double>();
    sum.yaw_response += share * (mean_of_style(0.7f, 0, kYaw) - mean_of_style(-0.7f, 0, kYaw)) / (1.4 * yaw_scale);
    sum.gaze_response +=
        share * (mean_of_style(0, 0.7f, kGazeX) - mean_of_style(0, -0.7f, kGazeX)) / (1.4 * gaze_scale);
    if (rows.size() < 6) {
      std::vector<at::Tensor> columns{picture[0]};
      for (int64_t t = 10; t < T && columns.size() < 9; t += 8) {
        columns.push_back(frames[t]);
        columns.push_back(drawings[static_cast<std::size_t>(t)]);
      }
      rows.push_back(at::stack(columns));
    }
  }
  if (!sheet.empty()) write_png(sheet, contact_sheet(at::stack(rows), rows[0].size(0)));
  return sum;
}

DrivingQuality measure_driving(const std::filesystem::path& directory, int64_t people,
                               const std::filesystem::path& sheet) {
  constexpr int64_t kPictures = 12;
  const at::NoGradGuard no_grad;
  const auto opened = open_parts(directory);
  const generation::TalkParts& parts = *opened;
  DrivingQuality quality{};
  std::vector<at::Tensor> rows, read, truth;
  for (int64_t i = 0; i < people; ++i) {
    const auto index = static_cast<uint64_t>(i);
    const Identity person = make_identity(91, index, Split::held_out),
                   driver = make_identity(92, index, Split::held_out);
    Random random(92, index);
    const FaceControls at_rest = portrait_controls(random);
    std::vector<at::Tensor> pictures, drawings;
    for (int64_t k = 0; k < kPictures; ++k) {
      FaceControls shown = random_controls(random);
      calm(shown, {}, 0.6f);
      pictures.push_back(draw_face(driver, shown));
      drawings.push_back(draw_face(person, shown));
      truth.push_back(motion_latent(shown));
    }
    const at::Tensor portrait = draw_face(person, at_rest), driving = at::stack(pictures), wanted = at::stack(drawings),
                     motion = parts.renderer.motion(driving),
                     frames = rendered(parts, motion, parts.renderer.portrait(portrait.unsqueeze(0)));
    read.push_back(motion);
    quality.psnr += psnr(frames, wanted) / static_cast<double>(people);
    quality.unmoved_psnr += psnr(portrait.expand_as(wanted), wanted) / static_cast<double>(people);
    if (rows.size() < 6) {
      std::vector<at::Tensor> columns{portrait};
      for (int64_t k = 0; k < 4; ++k) columns.insert(columns.end(), {driving[k], frames[k]});
      rows.push_back(at::stack(columns));
    }
  }
  const at::Tensor all = at::cat(read), true_ones = at::stack(truth);
  for (int64_t c = 0; c < kControls; ++c)
    quality.read[static_cast<std::size_t>(c)] = correlation(all.select(1, c), true_ones.select(1, c));
  if (!sheet.empty()) write_png(sheet, contact_sheet(at::stack(rows), rows[0].size(0)));
  return quality;
}

void import_talk(const std::filesystem::path& model, const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  const auto write = [&](const char* from, const char* to, auto belongs) {
    std::map<std::string, at::Tensor> tensors;
    const tensor::WeightMap weights = tensor::load_safetensors(model / from);
    for (const auto& [key, value] : weights.tensors())
      if (belongs(key)) tensors[key] = value.to(at::kFloat);
    tensor::save_safetensors(directory / to, tensors);
  };
  const auto every = [](const std::string&) { return true; };
  const auto of = [](RendererPart part) {
    return [part](const std::string& key) { return renderer_part(key) == part; };
  };
  write("renderer.safetensors", "face-places.safetensors", of(RendererPart::positions));
  write("renderer.safetensors", "face-motion-encoder.safetensors", of(RendererPart::motion_encoder));
  write("renderer.safetensors", "face-renderer.safetensors", every);
  write("motion_generator.safetensors", "face-motion.safetensors", every);
  write("audio_encoder.safetensors", "face-audio.safetensors", every);
}

void export_talk(const std::filesystem::path& directory, const std::filesystem::path& output) {
  std::filesystem::create_directories(output);
  // bfloat16: half the size in the repository; what is lost is far below the error of the model.
  const auto write = [&](const char* from, const char* to) {
    std::map<std::string, at::Tensor> tensors;
    const tensor::WeightMap weights = tensor::load_safetensors(directory / from);
    for (const auto& [key, value] : weights.tensors()) tensors[key] = value.to(at::kBFloat16).contiguous();
    tensor::save_safetensors(output / to, tensors, {{"format", "pt"}});
  };
  write("face-renderer.safetensors", "renderer.safetensors");
  write("face-motion.safetensors", "motion_generator.safetensors");
  write("face-audio.safetensors", "audio_encoder.safetensors");
  generation::TalkDirectory model;
  model.directory = std::filesystem::absolute(output).lexically_normal();
  model.name = "shipped-talk";
  model.renderer = model.directory / "renderer.safetensors";
  model.motion_generator = model.directory / "motion_generator.safetensors";
  model.audio_encoder = model.directory / "audio_encoder.safetensors";
  model.renderer_config = shipped_renderer();
  model.generator_config = shipped_motion_generator();
  model.audio_config = shipped_audio_encoder();
  model.defaults.cfg_scale = 1.0;  // more speech than there is only opens the mouth too far
  model.defaults.nfe = 7;
  model.defaults.chunk_seconds = 0.4;
  write_examples(output / "examples");
  std::ofstream stream(output / kManifestName);
  stream << generation::talk_manifest_yaml(model);
  require(static_cast<bool>(stream.flush()), ErrorCode::unavailable, "cannot write {}",
          (output / kManifestName).string());
}

}  // namespace rushes::training
