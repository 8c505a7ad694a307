// Opening a model: by its manifest, or as published.
#include "rushes/models/wan/model_directory.h"

#include <fmt/format.h>

#include "rushes/base/error.h"
#include "rushes/base/manifest.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/models/wan/config_json.h"
#include "rushes/models/wan/published_layout.h"

namespace rushes::wan {
namespace {

namespace fs = std::filesystem;

// Anything that cannot be looked at counts as absent: a name too long, a loop of links, a folder without permission.
bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// Of a many-step model, by its repository: guidance is stronger than that of the reference's own few-step default.
constexpr double kManyStepGuidance = 5.0;

void sample_in(Sampler sampler, Defaults& defaults) {
  if (sampler == Sampler::few_step) {
    if (defaults.denoising_step_list.empty()) defaults.denoising_step_list = Defaults{}.denoising_step_list;
  } else if (!defaults.denoising_step_list.empty()) {
    defaults.denoising_step_list.clear();
    defaults.guidance_scale = kManyStepGuidance;
  }
}

void assume_sampler(ModelDirectory& model) {
  const SamplerChoice choice = choose_sampler(model.directory, model.transformer.file);
  sample_in(choice.few_step ? Sampler::few_step : Sampler::many_step, model.defaults);
  if (!choice.assumed) return;
  model.assumptions.push_back(fmt::format(
      "the sampler: {}, so '{}' is sampled in {} steps with guidance {}. If it is a few-step model (Self-Forcing and "
      "the "
      "like), say so with --sampler few_step, in a request with \"solver\": \"few_step\", or in a model.yaml",
      choice.reason, model.transformer.file.filename().string(), model.defaults.sampling_steps,
      model.defaults.guidance_scale));
}

/// Dimensions that no shape tells, where no file says them either.
void assume_dimensions(ModelDirectory& model) {
  const TransformerConfig& transformer = model.transformer.config;
  const nlohmann::json json = config_json_beside(model.transformer.file);
  const bool heads_are_told = json.contains("num_heads") || json.contains("num_attention_heads");
  if (!published_name(transformer) && !heads_are_told && transformer.num_heads > 0)
    model.assumptions.push_back(
        fmt::format("the transformer's num_heads: {} heads of {}, as in the published models. If that is wrong, put a "
                    "config.json with num_heads beside '{}'",
                    transformer.num_heads, transformer.head_size(), model.transformer.file.filename().string()));
  const VaeConfig& vae = model.autoencoder.vae;
  if (vae.z_dim != VaeConfig{}.z_dim && !config_json_beside(model.autoencoder.file).contains("latents_mean"))
    model.assumptions.push_back(fmt::format(
        "the latents' mean and deviation: 0 and 1, since the autoencoder has {} channels, not the published "
        "{}. If that is wrong, put a config.json with latents_mean and latents_std beside '{}'",
        vae.z_dim, VaeConfig{}.z_dim, model.autoencoder.file.filename().string()));
}

ModelDirectory open_published(const fs::path& directory, const ModelDirectoryOverrides& overrides) {
  const PublishedFiles found = find_published(directory, overrides.checkpoint);
  ModelDirectory model;
  model.directory = directory;
  model.name = directory.filename().string();
  if (model.name.empty()) model.name = directory.parent_path().filename().string();
  model.transformer.file = fs::absolute(found.transformer).lexically_normal();
  model.transformer.branch = overrides.branch.value_or(Branch::generator);
  model.transformer.config = read_transformer_config(model.transformer.file, model.transformer.branch);
  model.text_encoder = {found.text_encoder, read_umt5_config(found.text_encoder)};
  model.text_encoder.config.text_len = model.transformer.config.text_len;
  require(model.transformer.config.text_dim == model.text_encoder.config.dim, ErrorCode::invalid_argument,
          "'{}' was trained with text embeddings of width {}, but '{}' produces width {}; the two files do not belong "
          "together",
          model.transformer.file.string(), model.transformer.config.text_dim, found.text_encoder.string(),
          model.text_encoder.config.dim);
  model.autoencoder.file = found.vae;
  model.autoencoder.vae = read_vae_config(found.vae);
  model.tokenizer = found.tokenizer;
  apply_scheduler_config(directory, model.defaults);
  if (!overrides.sampler) assume_sampler(model);
  assume_dimensions(model);
  return model;
}

void apply(const ModelDirectoryOverrides& overrides, ModelDirectory& model) {
  if (overrides.branch) model.transformer.branch = *overrides.branch;
  if (overrides.sampler) sample_in(*overrides.sampler, model.defaults);
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

/// Weights in the place of those that a manifest describes: what they say of themselves goes before what it says.
void follow_checkpoint(ModelDirectory& model) {
  const SamplerChoice choice = choose_sampler(model.directory, model.transformer.file);
  if (!choice.assumed) sample_in(choice.few_step ? Sampler::few_step : Sampler::many_step, model.defaults);
}

ModelDirectory open_with_manifest(const fs::path& directory, const ModelDirectoryOverrides& overrides) {
  const std::string source = "'" + (directory / kManifestName).string() + "'";
  ModelDirectory model = parse_manifest(manifest_text(directory), directory, source);
  apply(overrides, model);
  if (overrides.checkpoint && !overrides.sampler) follow_checkpoint(model);
  return model;
}

}  // namespace

ModelDirectory open_model_directory(const fs::path& directory, const ModelDirectoryOverrides& overrides) {
  const fs::path folder = fs::absolute(directory).lexically_normal();
  std::error_code ignored;
  require(fs::is_directory(folder, ignored), ErrorCode::not_found, "there is no model folder '{}'", folder.string());
  if (is_there(folder / kManifestName)) return open_with_manifest(folder, overrides);
  ModelDirectory model = open_published(folder, overrides);
  apply(overrides, model);
  return model;
}

}  // namespace rushes::wan
