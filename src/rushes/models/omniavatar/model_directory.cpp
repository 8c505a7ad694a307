// Opening a model: by its manifest, or as published. What a file is its contents tell, never its name.
#include "rushes/models/omniavatar/model_directory.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/base/manifest.h"
#include "rushes/models/omniavatar/checkpoint.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/models/wan/config_json.h"
#include "rushes/models/wan/manifest.h"
#include "rushes/models/wan/published_layout.h"
#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/checkpoint_folder.h"
#include "rushes/tensor/ops.h"

namespace rushes::omniavatar {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kMerged = "merged transformer";
constexpr const char* kAdapter = "adapter";
constexpr const char* kAudioEncoder = "audio encoder";

// Anything that cannot be looked at counts as absent.
bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::vector<std::string> parts_of(const fs::path& file) {
  try {
    const tensor::WeightMap tensors = tensor::load_checkpoint(file).tensors;
    if (const auto kind = kind_of(tensors)) return {*kind == CheckpointKind::merged ? kMerged : kAdapter};
    const auto is_speech = [](const auto& each) {
      return each.first.find("feature_extractor.conv_layers.") != std::string::npos;
    };
    if (std::any_of(tensors.tensors().begin(), tensors.tensors().end(), is_speech)) return {kAudioEncoder};
    std::vector<std::string> parts;
    for (const wan::Component& part : wan::find_components(tensors)) parts.emplace_back(wan::name(part.found.part));
    return parts;
  } catch (const Error&) {
    return {};  // of something else, or damaged: whoever needs it will say so
  }
}

std::string part_name(wan::Part part) { return std::string(wan::name(part)); }

/// The checkpoints of a folder, and those beside it where it has an avatar's checkpoint but not all that this needs.
class PublishedFiles {
 public:
  explicit PublishedFiles(const fs::path& directory) : directory_(directory), files_(find(directory)) {}

  const std::vector<fs::path>& all(const std::string& part) const {
    static const std::vector<fs::path> none;
    const auto found = files_.find(part);
    return found == files_.end() ? none : found->second;
  }
  /// The avatar's checkpoint; only the user can choose among several.
  std::pair<fs::path, bool> checkpoint() const {
    std::vector<fs::path> found = all(kMerged);
    found.insert(found.end(), all(kAdapter).begin(), all(kAdapter).end());
    require(!found.empty(), ErrorCode::not_found, "'{}' has no checkpoint of an avatar's transformer",
            directory_.string());
    require(found.size() == 1, ErrorCode::invalid_argument,
            "'{}' has several checkpoints of avatars ({}); give the folder of one of them", directory_.string(),
            fmt::join(names(found), ", "));
    return {found.front(), all(kMerged).empty()};
  }
  /// Whatever is missing is looked for beside the folder, whose own checkpoint is known.
  void look_beside() {
    for (auto& [part, found] : find(directory_.parent_path()))
      if (part != kMerged && part != kAdapter && all(part).empty()) files_[part] = std::move(found);
  }
  /// The one file of a part that `fits`; of several the one in the folder `near`. Else `missing` says what lacks.
  template <typename Fits>
  fs::path choose(const std::string& part, const fs::path& near, const char* published, Fits fits) {
    std::vector<fs::path> found;
    for (const fs::path& file : all(part))
      if (fits(file)) found.push_back(file);
    if (found.empty()) missing.push_back(fmt::format("{} ({})", published, part));
    if (found.size() < 2) return found.empty() ? fs::path() : found.front();
    for (const fs::path& file : found)
      if (file.parent_path() == near) return file;
    fail(ErrorCode::invalid_argument, "'{}' has several files with a {} ({}); move the others away",
         directory_.string(), part, fmt::join(names(found), ", "));
  }
  fs::path choose(const std::string& part, const fs::path& near, const char* published) {
    return choose(part, near, published, [](const fs::path&) { return true; });
  }

  std::vector<std::string> missing;

 private:
  static tensor::PartFiles find(const fs::path& directory) { return tensor::find_parts(directory, parts_of); }
  std::vector<std::string> names(const std::vector<fs::path>& files) const {
    std::vector<std::string> list;
    for (const fs::path& file : files) list.push_back(file.lexically_relative(directory_).string());
    return list;
  }

  fs::path directory_;
  tensor::PartFiles files_;
};

/// A number of config.json, which an adapter needs.
template <typename T>
T number(const json& values, const char* key, const fs::path& file) {
  const auto found = values.find(key);
  constexpr bool kWhole = std::is_integral_v<T>;
  require(found != values.end() && (kWhole ? found->is_number_integer() : found->is_number()), ErrorCode::corrupt_data,
          "'{}' has no {} '{}'; no tensor of the checkpoint tells it", file.string(),
          kWhole ? "whole number" : "number", key);
  return found->get<T>();
}

/// Strength of the adapter, from the config.json beside it.
Lora lora_of(const fs::path& adapter) {
  const fs::path file = adapter.parent_path() / "config.json";
  const json values = wan::read_json_object(file);
  const std::string trained = values.contains("train_architecture") && values["train_architecture"].is_string()
                                  ? values["train_architecture"].get<std::string>()
                                  : "lora";
  require(trained == "lora", ErrorCode::unsupported, "'{}': train_architecture is '{}'; rushes merges lora only",
          file.string(), printable(trained));
  const Lora lora{number<double>(values, "lora_alpha", file), number<int64_t>(values, "lora_rank", file)};
  require(lora.rank >= 1 && lora.alpha > 0, ErrorCode::corrupt_data,
          "'{}': lora_alpha {} and lora_rank {} must be more than 0", file.string(), lora.alpha, lora.rank);
  return lora;
}

tensor::WeightMap named(const fs::path& file) { return with_published_names(tensor::load_checkpoint(file).tensors); }

/// Runs `infer`, whose errors name keys only, so that they name the file, too.
template <typename Infer>
auto inferred(const fs::path& file, Infer infer) {
  try {
    return infer();
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("'{}': {}", file.string(), error.what()));
  }
}

/// The base of an adapter is as wide as its patch embedding.
bool is_base_of(const fs::path& base, const tensor::WeightMap& adapter) {
  constexpr const char* kBias = "patch_embedding.bias";
  if (!adapter.contains(kBias)) return true;
  return wan::read_transformer_config(base).dim == adapter.at(kBias).numel();
}

bool names_livetalk(const fs::path& file) {
  std::string text = file.parent_path().filename().string() + "/" + file.filename().string();
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text.find("livetalk") != std::string::npos;
}

/// LiveTalk's configuration (configs/causal_inference.yaml and the sink in its inference script).
Defaults livetalk_defaults() {
  Defaults defaults = published_defaults(Sampler::causal);
  defaults.height = defaults.width = 512;
  defaults.max_hw = 0;
  defaults.window = 15;
  defaults.sink = 9;
  return defaults;
}

/// How a file of all weights is sampled no file says.
void assume_sampler(ModelDirectory& model) {
  const bool livetalk = names_livetalk(model.transformer.file);
  model.defaults = livetalk ? livetalk_defaults() : published_defaults(Sampler::causal);
  model.assumptions.push_back(fmt::format(
      "the sampler: '{}' has all weights of a transformer, as only causal models are published, so it is sampled block "
      "by block in {} steps{}. If that is wrong, say so in a model.yaml (defaults: sampler, window, sink, height, "
      "width)",
      model.transformer.file.filename().string(), model.defaults.steps,
      livetalk ? " with the window of LiveTalk, whose name it has" : ""));
}

void open_transformer(PublishedFiles& files, ModelDirectory& model) {
  const auto [checkpoint, is_adapter] = files.checkpoint();
  TransformerPart& part = model.transformer;
  if (!is_adapter) {
    part.file = checkpoint;
    part.config = inferred(checkpoint, [&] {
      const tensor::WeightMap tensors = named(part.file);
      wan::TransformerConfig config = wan::infer_transformer(tensors);
      wan::apply_config_json(part.file, config);
      return infer_transformer(tensors, config);
    });
    assume_sampler(model);
    return;
  }
  part.adapter = checkpoint;
  part.lora = lora_of(part.adapter);
  model.defaults = published_defaults(Sampler::bidirectional);
  const tensor::WeightMap tensors = inferred(checkpoint, [&] { return named(part.adapter); });
  part.file = files.choose(part_name(wan::Part::transformer), {}, "diffusion_pytorch_model.safetensors of Wan2.1-T2V",
                           [&](const fs::path& file) { return is_base_of(file, tensors); });
  if (part.file.empty()) return;
  part.config =
      inferred(checkpoint, [&] { return infer_transformer(tensors, wan::read_transformer_config(part.file)); });
}

void check(const ModelDirectory& model) {
  const TransformerConfig& config = model.transformer.config;
  const std::string source = "'" + model.directory.string() + "'";
  require(
      config.wan.num_heads > 0 && config.wan.dim % config.wan.num_heads == 0, ErrorCode::invalid_argument,
      "{}: no shape tells the number of heads of a transformer of width {}; put a config.json with num_heads beside "
      "'{}'",
      source, config.wan.dim, model.transformer.file.string());
  const fs::path& checkpoint = model.transformer.adapter.empty() ? model.transformer.file : model.transformer.adapter;
  require(config.condition_channels() == config.wan.out_dim + 1, ErrorCode::corrupt_data,
          "'{}': patch_embedding.weight has {} input channels; {} are needed, for latents, the picture's latents and a "
          "mask",
          checkpoint.string(), config.wan.in_dim, 2 * config.wan.out_dim + 1);
  require(config.speech.feature_dim == speech_feature_dim(model.audio_encoder.config), ErrorCode::invalid_argument,
          "'{}' was trained with speech features of width {}, but '{}' produces width {}; the two files do not belong "
          "together",
          checkpoint.string(), config.speech.feature_dim, model.audio_encoder.file.string(),
          speech_feature_dim(model.audio_encoder.config));
  wan::check_parts(config.wan, model.text_encoder, model.autoencoder, source);
}

fs::path tokenizer_of(const fs::path& text_encoder, const fs::path& directory) {
  if (wan::embedded_tokenizer(text_encoder)) return text_encoder;
  const fs::path published = text_encoder.parent_path() / "google/umt5-xxl";
  if (is_there(published)) return published;
  const fs::path near = wan::find_tokenizer(text_encoder.parent_path());
  return near.empty() ? wan::find_tokenizer(directory) : near;
}

ModelDirectory open_published(const fs::path& directory) {
  PublishedFiles files(directory);
  ModelDirectory model;
  model.directory = directory;
  model.name = directory.filename().string();
  if (model.name.empty()) model.name = directory.parent_path().filename().string();
  const fs::path own = files.checkpoint().first.parent_path();
  if (own == directory) files.look_beside();
  open_transformer(files, model);
  const fs::path near = model.transformer.file.empty() ? own : model.transformer.file.parent_path();
  model.text_encoder.file =
      files.choose(part_name(wan::Part::text_encoder), near, "models_t5_umt5-xxl-enc-bf16.pth of Wan2.1-T2V");
  model.autoencoder.file = files.choose(part_name(wan::Part::vae), near, "Wan2.1_VAE.pth");
  model.audio_encoder.file = files.choose(kAudioEncoder, own, "wav2vec2-base-960h");
  if (!model.text_encoder.file.empty()) model.tokenizer = tokenizer_of(model.text_encoder.file, directory);
  if (model.tokenizer.empty()) files.missing.emplace_back("google/umt5-xxl (tokenizer)");
  require(files.missing.empty(), ErrorCode::not_found,
          "'{}' has neither a {} nor all files of a published avatar model: missing {}", directory.string(),
          kManifestName, fmt::join(files.missing, ", "));
  model.text_encoder.config = wan::read_umt5_config(model.text_encoder.file);
  model.text_encoder.config.text_len = model.transformer.config.wan.text_len;
  model.autoencoder.vae = wan::read_vae_config(model.autoencoder.file);
  model.audio_encoder.config = wav2vec::read_config(model.audio_encoder.file);
  check(model);
  return model;
}

}  // namespace

ModelDirectory open_model_directory(const fs::path& directory) {
  const fs::path folder = fs::absolute(directory).lexically_normal();
  std::error_code ignored;
  require(fs::is_directory(folder, ignored), ErrorCode::not_found, "there is no model folder '{}'", folder.string());
  if (is_there(folder / kManifestName))
    return parse_manifest(manifest_text(folder), folder, "'" + (folder / kManifestName).string() + "'");
  return open_published(folder);
}

bool is_model_directory(const fs::path& directory) {
  if (const auto family = manifest_family(directory)) return *family == "omniavatar";
  const tensor::PartFiles files = tensor::find_parts(directory, parts_of);
  return files.count(kMerged) > 0 || files.count(kAdapter) > 0;
}

}  // namespace rushes::omniavatar
