#include "rushes/training/foresight/foresight_export.h"

#include "rushes/base/error.h"
#include "rushes/generation/foresight/model_files.h"
#include "rushes/training/foresight/shipped_adapter.h"
#include "rushes/training/foresight/shipped_language.h"
#include "rushes/training/foresight/shipped_video.h"

namespace rushes::training {

void export_foresight(const std::filesystem::path& directory, const std::filesystem::path& output) {
  const auto is_there = [&](const char* file) { return std::filesystem::exists(directory / file); };
  generation::ForesightFiles files;
  files.name = "shipped-foresight";
  files.defaults = foresight_defaults();
  if (is_there("language.safetensors")) files.language = trained_language(directory);
  if (is_there("video.safetensors")) files.video = trained_video(directory);
  if (files.language && files.video && is_there("adapter.safetensors"))
    files.adapter = trained_adapter(directory, files.language->config);
  require(files.language || files.video, ErrorCode::not_found,
          "'{}' has neither a language.safetensors nor a video.safetensors; train one half at least",
          directory.string());
  generation::write_foresight_model(output, files);
}

}  // namespace rushes::training
