// What an avatar's model directory or one of its checkpoints is. Parts that are Wan's own are described as Wan's.
#include "rushes/generation/omniavatar/inspect.h"

#include <set>

#include "rushes/base/error.h"
#include "rushes/generation/wan/inspect.h"
#include "rushes/models/omniavatar/checkpoint.h"
#include "rushes/models/omniavatar/default_fields.h"
#include "rushes/models/omniavatar/model_directory.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;
using omniavatar::ModelDirectory;

Report fields_of(const omniavatar::TransformerConfig& config) {
  return {{"dim", config.wan.dim},
          {"ffn_dim", config.wan.ffn_dim},
          {"num_heads", config.wan.num_heads},
          {"num_layers", config.wan.num_layers},
          {"in_dim", config.wan.in_dim},
          {"out_dim", config.wan.out_dim},
          {"text_dim", config.wan.text_dim},
          {"audio_feature_dim", config.speech.feature_dim},
          {"audio_hidden_size", config.speech.hidden_size},
          {"audio_layers", config.speech_layers()}};
}

/// What the published loader would know the file by; a hint, since the same model may have other names.
void add_fingerprint(Report& part, const tensor::WeightMap& tensors) {
  part["fingerprint"] = {{"names", omniavatar::fingerprint(tensors, false)},
                         {"names_and_shapes", omniavatar::fingerprint(tensors, true)}};
  part["model"] = omniavatar::known_file(tensors).value_or("own dimensions");
}

void describe_merged(Report& part, const tensor::WeightMap& named, const ModelDirectory* model) {
  const omniavatar::TransformerConfig config =
      model != nullptr ? model->transformer.config
                       : omniavatar::infer_transformer(named, wan::infer_transformer(named));
  part["config"] = fields_of(config);
  part["extra"] = tensor::extra_keys(named, omniavatar::parameter_shapes(config));
  part["complete"] = false;
  tensor::check_complete(named, omniavatar::parameter_shapes(config), "this file");
  part["complete"] = true;
}

void describe_adapter(Report& part, const tensor::WeightMap& named, const ModelDirectory* model) {
  std::set<int64_t> ranks;
  int64_t pairs = 0;
  for (const auto& [key, tensor] : named.tensors())
    if (key.ends_with(".lora_A.weight") && tensor.dim() == 2) {
      ranks.insert(tensor.size(0));
      ++pairs;
    }
  // Ten linear layers of a block have a pair.
  const std::string patch = "patch_embedding.bias";
  const int64_t dim = named.contains(patch) ? named.at(patch).numel() : 0;
  if (dim == 1536 && pairs == 10 * 30) part["model"] = "OmniAvatar 1.3B";
  if (dim == 5120 && pairs == 10 * 40) part["model"] = "OmniAvatar 14B";
  part["pairs"] = pairs;
  part["ranks"] = ranks;
  if (model == nullptr) return;
  part["alpha"] = model->transformer.lora.alpha;
  part["config"] = fields_of(model->transformer.config);
}

Report transformer_parts(const tensor::WeightMap& tensors, const ModelDirectory* model) {
  Report parts = Report::array();
  const auto kind = omniavatar::kind_of(tensors);
  if (!kind) return parts;
  const bool is_merged = *kind == omniavatar::CheckpointKind::merged;
  Report part;
  part["part"] = is_merged ? "transformer" : "adapter";
  part["prefix"] = tensors.contains("model.patch_embedding.weight") ? "model." : "";
  count(part, tensors);
  add_fingerprint(part, tensors);
  try {
    const tensor::WeightMap named = omniavatar::with_published_names(tensors);
    is_merged ? describe_merged(part, named, model) : describe_adapter(part, named, model);
  } catch (const Error& error) {
    part["complete"] = false;
    part["problem"] = error.what();
  }
  parts.push_back(std::move(part));
  return parts;
}

Report speech_parts(const fs::path& file, const tensor::WeightMap& tensors, const ModelDirectory& model) {
  Report part;
  part["part"] = "audio_encoder";
  part["prefix"] = "";
  count(part, tensors);
  part["model"] = model.audio_encoder.config == wav2vec::Config{} ? "wav2vec 2.0 base" : "own dimensions";
  part["complete"] = true;
  try {
    count(part, wav2vec::load(file, model.audio_encoder.config));
  } catch (const Error& error) {
    part["complete"] = false;
    part["problem"] = error.what();
  }
  return Report::array({std::move(part)});
}

}  // namespace

Inspection inspect_omniavatar(const fs::path& directory) {
  if (directory.empty())
    return {
        .parts = [](const fs::path&, const tensor::WeightMap& tensors) { return transformer_parts(tensors, nullptr); }};
  const ModelDirectory model = omniavatar::open_model_directory(directory);
  Inspection inspection;
  inspection.about["name"] = model.name;
  inspection.about["tokenizer"] = model.tokenizer.string();
  inspection.about["defaults"] = Report::object();
  omniavatar::visit_default_fields(model.defaults, FieldReport{inspection.about["defaults"]});
  inspection.about["sampler"] = inspection.about["defaults"]["sampler"];
  report(inspection.about, model.trained_for);
  report(inspection.about, model.words);
  if (!model.assumptions.empty()) inspection.about["assumptions"] = model.assumptions;
  inspection.files = {model.transformer.file, model.text_encoder.file, model.autoencoder.file,
                      model.audio_encoder.file};
  if (!model.transformer.adapter.empty())
    inspection.files.insert(inspection.files.begin() + 1, model.transformer.adapter);
  inspection.parts = [model](const fs::path& file, const tensor::WeightMap& tensors) {
    if (file == model.audio_encoder.file) return speech_parts(file, tensors, model);
    Report parts = transformer_parts(tensors, &model);
    if (!parts.empty()) return parts;
    return wan_parts(tensors, {.text_encoder = &model.text_encoder.config, .autoencoders = {&model.autoencoder}});
  };
  return inspection;
}

}  // namespace rushes::generation
