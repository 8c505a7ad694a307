#include "rushes/models/ltx/checkpoint.h"

#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/base/json_file.h"
#include "rushes/models/ltx/config_json.h"
#include "rushes/models/ltx/single_file.h"
#include "rushes/models/ltx/transformer.h"
#include "rushes/models/ltx/vae.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/checkpoint_folder.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string where(const fs::path& file, const char* part) { return fmt::format("'{}', {}", file.string(), part); }

/// A single file's own configuration; an empty object where it has none.
json config_in(const tensor::Checkpoint& checkpoint, const fs::path& file) {
  const auto found = checkpoint.metadata.find("config");
  if (found == checkpoint.metadata.end()) return json::object();
  json parsed = json::parse(found->second, nullptr, /*allow_exceptions=*/false);
  require(parsed.is_object(), ErrorCode::corrupt_data, "'{}': the metadata's config is not a JSON object",
          file.string());
  return parsed;
}

}  // namespace

ModelFiles find_files(const fs::path& path) {
  std::error_code ignored;
  require(fs::exists(path, ignored), ErrorCode::not_found, "'{}' does not exist", path.string());
  if (!fs::is_directory(path, ignored)) return {path, path, {}, true};
  const fs::path transformer = path / "transformer", vae = path / "vae";
  if (!fs::is_directory(transformer, ignored)) {
    const fs::path file = tensor::checkpoint_in(path);
    return {file, file, {}, true};
  }
  require(fs::is_directory(vae, ignored), ErrorCode::not_found, "'{}' has a folder 'transformer', but no folder 'vae'",
          path.string());
  const fs::path scheduler = path / "scheduler" / "scheduler_config.json";
  return {tensor::checkpoint_in(transformer), tensor::checkpoint_in(vae),
          fs::exists(scheduler, ignored) ? scheduler : fs::path(), false};
}

Config read_config(const ModelFiles& files) {
  Config config;
  if (files.is_single_file) {
    const tensor::Checkpoint checkpoint = tensor::load_checkpoint(files.transformer);
    require(is_single_file(checkpoint.tensors), ErrorCode::corrupt_data,
            "'{}' is no single file of LTX-Video: it has neither 'model.diffusion_model.patchify_proj.weight' nor "
            "'vae.per_channel_statistics.mean-of-means'",
            files.transformer.string());
    const json own = config_in(checkpoint, files.transformer);
    config.transformer = infer_transformer(transformer_of_single_file(checkpoint.tensors), own);
    config.vae = infer_vae(vae_of_single_file(checkpoint.tensors), own);
    config.scheduler = infer_scheduler(own);
  } else {
    const auto beside = [](const fs::path& file) { return file.parent_path() / "config.json"; };
    const fs::path transformer = beside(files.transformer), vae = beside(files.vae);
    config.transformer = transformer_config(json_object_in(transformer), fmt::format("'{}'", transformer.string()));
    config.vae = vae_config(json_object_in(vae), fmt::format("'{}'", vae.string()));
    if (!files.scheduler.empty())
      config.scheduler =
          scheduler_config(json_object_in(files.scheduler), fmt::format("'{}'", files.scheduler.string()));
  }
  require(config.transformer.in_channels == config.vae.latent_channels, ErrorCode::corrupt_data,
          "'{}': the transformer takes {} channels, the VAE has {}", files.transformer.string(),
          config.transformer.in_channels, config.vae.latent_channels);
  return config;
}

tensor::WeightMap load_transformer(const ModelFiles& files, const TransformerConfig& config, tensor::Extra extra) {
  tensor::WeightMap own = tensor::load_checkpoint(files.transformer).tensors;
  if (files.is_single_file) own = transformer_of_single_file(own);
  return tensor::take_complete(own, parameter_shapes(config), where(files.transformer, "LTX transformer"), extra);
}

tensor::WeightMap load_vae(const ModelFiles& files, const VaeConfig& config, tensor::Extra extra) {
  tensor::WeightMap own = tensor::load_checkpoint(files.vae).tensors;
  if (files.is_single_file) own = vae_of_single_file(own);
  return tensor::take_complete(own, parameter_shapes(config), where(files.vae, "LTX VAE"), extra);
}

}  // namespace rushes::ltx
