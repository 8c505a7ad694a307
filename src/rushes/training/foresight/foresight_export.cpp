#include "rushes/training/foresight/foresight_export.h"

#include <fmt/format.h>

#include <set>

#include "rushes/base/error.h"
#include "rushes/generation/foresight/model_files.h"
#include "rushes/models/qwen/checkpoint.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/text/bpe_files.h"
#include "rushes/training/foresight/foresight_world.h"
#include "rushes/training/foresight/shipped_adapter.h"
#include "rushes/training/foresight/shipped_language.h"
#include "rushes/training/foresight/shipped_video.h"
#include "rushes/training/png.h"

namespace rushes::training {
namespace {

constexpr uint64_t kExampleSeed = 2026;

/// A held-out picture of each cue, for those who have none to ask about.
void write_examples(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  std::set<Cue> shown;
  for (uint64_t i = 0; shown.size() < kCues; ++i) {
    const ForesightScene scene = make_foresight_scene(kExampleSeed, i, Split::held_out);
    if (shown.insert(scene.labels.cue).second)
      write_png(folder / fmt::format("{}.png", name(scene.labels.cue)), draw(scene, 0, 1)[0]);
  }
}

}  // namespace

void export_foresight(const std::filesystem::path& directory, const std::filesystem::path& output) {
  const auto is_there = [&](const char* file) { return std::filesystem::exists(directory / file); };
  generation::ForesightFiles files;
  files.name = "shipped-foresight";
  files.defaults = foresight_defaults();
  files.trained_for = {.sizes = {{kForesightSide, kForesightSide}}, .video_frames = kForesightVideoFrames};
  files.words = foresight_known_words();
  if (is_there("language.safetensors")) files.language = trained_language(directory);
  if (is_there("video.safetensors")) files.video = trained_video(directory);
  if (files.language && files.video && is_there("adapter.safetensors"))
    files.adapter = trained_adapter(directory, files.language->config);
  require(files.language || files.video, ErrorCode::not_found,
          "'{}' has neither a language.safetensors nor a video.safetensors; train one half at least",
          directory.string());
  generation::write_foresight_model(output, files);
  write_examples(output / "examples");
}

void import_foresight(const std::filesystem::path& model, const std::filesystem::path& directory) {
  namespace fs = std::filesystem;
  const text::BpeMerges merges = text::read_bpe_files(model / "language").merges;
  write_merges(directory, merges);
  tensor::save_safetensors(directory / "language.safetensors",
                           qwen::load(model / "language", foresight_language(merges)).to(at::kFloat).tensors());
  const auto gather = [&](const char* output, std::initializer_list<std::pair<std::string, fs::path>> parts) {
    std::map<std::string, at::Tensor> all;
    for (const auto& [prefix, file] : parts) {
      const tensor::WeightMap weights = tensor::load_safetensors(model / file);
      for (const auto& [key, value] : weights.tensors()) all[prefix + key] = value.to(at::kFloat);
    }
    tensor::save_safetensors(directory / output, all);
  };
  const fs::path video = "video";
  gather("autoencoder.safetensors", {{"", video / "vae" / "diffusion_pytorch_model.safetensors"}});
  gather("video.safetensors", {{"transformer.", video / "transformer" / "diffusion_pytorch_model.safetensors"},
                               {"text.", video / "text_encoder" / "model.safetensors"}});
  gather("adapter.safetensors", {{"spatial.", "dinov2.safetensors"}, {"adapter.", "adapter.safetensors"}});
  fs::copy_file(model / video / "tokenizer" / "spiece.model", directory / "spiece.model",
                fs::copy_options::overwrite_existing);
}

}  // namespace rushes::training
