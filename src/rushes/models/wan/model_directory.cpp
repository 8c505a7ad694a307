// Opening a model: by its manifest, or by the file names that the Wan repositories publish.
#include "rushes/models/wan/model_directory.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/base/manifest.h"
#include "rushes/models/wan/checkpoint.h"

namespace rushes::wan {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPublishedVae = "Wan2.1_VAE.pth";
constexpr const char* kPublishedTextEncoder = "models_t5_umt5-xxl-enc-bf16.pth";
constexpr const char* kPublishedTokenizer = "google/umt5-xxl";
constexpr const char* kPublishedTransformer =
    "diffusion_pytorch_model";  // .safetensors, or .safetensors.index.json of shards
constexpr const char* kSelfForcing = "self_forcing_dmd.pt";

// Anything that cannot be looked at counts as absent: a name too long, a loop of links, a folder without permission.
bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

struct Published {
  fs::path transformer, text_encoder, vae, tokenizer;
  std::vector<std::string> missing;
};

Published find_published(const fs::path& directory, const ModelDirectoryOverrides& overrides) {
  Published found;
  const auto look = [&](fs::path& path, std::initializer_list<std::string> names) {
    for (const std::string& name : names)
      if (is_there(directory / name)) {
        path = directory / name;
        return;
      }
    found.missing.push_back(*names.begin());
  };
  const std::string transformer = kPublishedTransformer;
  if (overrides.checkpoint)
    found.transformer = *overrides.checkpoint;
  else
    look(found.transformer, {transformer + ".safetensors", transformer + ".safetensors.index.json", kSelfForcing});
  look(found.text_encoder, {kPublishedTextEncoder});
  look(found.vae, {kPublishedVae});
  look(found.tokenizer, {kPublishedTokenizer});
  return found;
}

// The published few-step weights replace those of the many-step model; which of them a file holds no shape tells, but
// only the training of the few-step model writes branches.
bool is_few_step(const fs::path& transformer) {
  const std::string name = transformer.filename().string();
  return !name.starts_with(kPublishedTransformer);
}

ModelDirectory open_published(const fs::path& directory, const ModelDirectoryOverrides& overrides) {
  const Published found = find_published(directory, overrides);
  require(found.missing.empty(), ErrorCode::not_found,
          "'{}' has neither a {} nor all files of a published Wan model: missing {}", directory.string(), kManifestName,
          fmt::join(found.missing, ", "));
  ModelDirectory model;
  model.directory = directory;
  model.name = directory.filename().string();
  if (model.name.empty()) model.name = directory.parent_path().filename().string();
  model.transformer.file = fs::absolute(found.transformer).lexically_normal();
  model.transformer.branch = overrides.branch.value_or(Branch::generator);
  model.transformer.config = read_transformer_config(model.transformer.file, model.transformer.branch);
  model.text_encoder = {found.text_encoder, read_umt5_config(found.text_encoder)};
  require(model.transformer.config.text_dim == model.text_encoder.config.dim, ErrorCode::invalid_argument,
          "'{}' was trained with text embeddings of width {}, but '{}' produces width {}; the two files do not belong "
          "together",
          model.transformer.file.string(), model.transformer.config.text_dim, found.text_encoder.string(),
          model.text_encoder.config.dim);
  model.autoencoder.file = found.vae;
  model.autoencoder.vae = read_vae_config(found.vae);
  model.tokenizer = found.tokenizer;
  if (!is_few_step(model.transformer.file)) {
    model.defaults.denoising_step_list.clear();
    model.defaults.guidance_scale = 5.0;
  }
  return model;
}

void apply(const ModelDirectoryOverrides& overrides, ModelDirectory& model) {
  if (overrides.branch) model.transformer.branch = *overrides.branch;
  if (overrides.checkpoint) {
    require(is_there(*overrides.checkpoint), ErrorCode::not_found, "the checkpoint '{}' does not exist",
            overrides.checkpoint->string());
    model.transformer.file = fs::absolute(*overrides.checkpoint).lexically_normal();
  }
  if (overrides.preview_autoencoder) {
    AutoencoderPart preview;
    preview.file = fs::absolute(*overrides.preview_autoencoder).lexically_normal();
    preview.kind = AutoencoderKind::tiny;
    preview.tiny = read_tiny_autoencoder_config(preview.file);
    model.preview_autoencoder = std::move(preview);
  }
}

}  // namespace

bool has_published_layout(const fs::path& directory) {
  return is_there(directory / kPublishedVae) || is_there(directory / kPublishedTextEncoder);
}

ModelDirectory open_model_directory(const fs::path& directory, const ModelDirectoryOverrides& overrides) {
  const fs::path folder = fs::absolute(directory).lexically_normal();
  std::error_code ignored;
  require(fs::is_directory(folder, ignored), ErrorCode::not_found, "there is no model folder '{}'", folder.string());
  const fs::path manifest = folder / kManifestName;
  ModelDirectory model = is_there(manifest)
                             ? parse_manifest(manifest_text(folder), folder, "'" + manifest.string() + "'")
                             : open_published(folder, overrides);
  apply(overrides, model);
  return model;
}

}  // namespace rushes::wan
