// Weights of a run as a model directory, and back.
#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/manifest.h"
#include "rushes/generation/ditto/directory.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/ditto/ditto_evaluation.h"
#include "rushes/training/ditto/face_labels.h"
#include "rushes/training/ditto/shipped_ditto.h"
#include "rushes/training/png.h"

namespace rushes::training {
namespace {

/// float16: rounding is far below the error of the model. Not so what scales or places everything.
void write(const std::filesystem::path& file, const Tensors& tensors) {
  Tensors small;
  for (const auto& [key, value] : tensors) {
    const bool exact = key.ends_with("rotary.freqs") || key.ends_with("weight_u") || key.ends_with("weight_v");
    small[key] = value.to(exact ? at::kFloat : at::kHalf).contiguous();
  }
  tensor::save_safetensors(file, small, {{"format", "pt"}});
}

void write_text(const std::filesystem::path& file, const std::string& text) {
  std::ofstream stream(file);
  stream << text;
  require(static_cast<bool>(stream.flush()), ErrorCode::unavailable, "cannot write {}", file.string());
}

}  // namespace

void export_ditto(const std::filesystem::path& directory, const std::filesystem::path& output) {
  std::filesystem::create_directories(output);
  const auto stage = [&](const char* name) {
    return tensor::load_safetensors(directory / (std::string("ditto-") + name + ".safetensors"));
  };
  const tensor::WeightMap renderer = with_identity_statistics(stage("renderer"));
  for (const char* part : {"appearance_extractor", "warp_network"})
    write(output / (std::string(part) + ".safetensors"), part_of(renderer.tensors(), std::string(part) + "."));
  write(output / "decoder.safetensors", with_spectral_norms(part_of(renderer.tensors(), "decoder.")));
  write(output / "motion_extractor.safetensors", stage("reader").tensors());
  write(output / "stitch_network.safetensors", stage("stitch").tensors());
  write(output / "lmdm.safetensors", stage("motion").tensors());
  write(output / "audio_encoder.safetensors", stage("speech").tensors());
  tensor::save_safetensors(output / "config.safetensors", {{"delta_eye_arr", blink_offsets()}}, {{"format", "pt"}});

  generation::DittoDirectory model;
  model.name = "shipped-ditto";
  model.image_side = kFaceSide / 2;
  model.appearance_depth = shipped_ditto_sizes().depth;
  model.motion = {
      .heads = kMotionHeads, .frames = shipped_ditto_sizes().frames, .use_eye_open = false, .use_eye_ball = false};
  model.audio = shipped_speech_encoder();
  model.defaults.set("online_mode", true);
  model.defaults.set("overlap_v2", int64_t{70});
  model.defaults.set("sampling_timesteps", int64_t{10});
  model.defaults.set("fix_kp_cond", int64_t{1});
  model.defaults.set("fix_kp_cond_dim", std::vector<double>{0, 202});
  write_text(output / kManifestName, generation::ditto_manifest_yaml(model));
}

void import_ditto(const std::filesystem::path& model, const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  const auto take = [&](const char* part, const std::string& prefix, Tensors& into) {
    const tensor::WeightMap weights = tensor::load_safetensors(model / (std::string(part) + ".safetensors"));
    for (const auto& [key, value] : weights.tensors()) {
      // Vectors of spectral norms; a weight norm's direction has the same name.
      const bool spectral = value.dim() == 1 && (key.ends_with("weight_u") || key.ends_with("weight_v"));
      if (key.ends_with("running_mean") || key.ends_with("running_var") || spectral) continue;
      const bool orig = key.ends_with("weight_orig");
      into[prefix + (orig ? key.substr(0, key.size() - 5) : key)] = value.to(at::kFloat);
    }
  };
  Tensors renderer;
  for (const char* part : {"appearance_extractor", "warp_network", "decoder"})
    take(part, std::string(part) + ".", renderer);
  tensor::save_safetensors(directory / "ditto-renderer.safetensors", renderer);
  for (const auto& [part, stage] : {std::pair{"stitch_network", "stitch"},
                                    {"lmdm", "motion"},
                                    {"audio_encoder", "speech"},
                                    {"motion_extractor", "reader"}}) {
    Tensors tensors;
    take(part, "", tensors);
    tensor::save_safetensors(directory / (std::string("ditto-") + stage + ".safetensors"), tensors);
  }
}

}  // namespace rushes::training
