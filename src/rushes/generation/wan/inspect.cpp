// What a Wan checkpoint or model directory is. The dimensions of a checkpoint alone follow from its shapes.
#include "rushes/generation/wan/inspect.h"

#include <set>

#include "rushes/base/error.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/models/wan/config_fields.h"
#include "rushes/models/wan/model_directory.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;

// Fills in what a part is: its published name if it has one, its dimensions, and what does not fit them.
template <typename Config, typename Visit>
void describe_part(Report& part, const tensor::WeightMap& weights, const Config& config, Visit visit) {
  part["model"] = wan::published_name(config).value_or("own dimensions");
  part["config"] = Report::object();
  visit(config, FieldReport{part["config"]});
  part["extra"] = tensor::extra_keys(weights, wan::parameter_shapes(config));
  part["complete"] = true;
  try {
    tensor::check_complete(weights, wan::parameter_shapes(config), "this file");
  } catch (const Error& error) {
    part["complete"] = false;
    part["problem"] = error.what();
  }
}

const wan::AutoencoderPart* autoencoder_of(const WanConfigs& known, wan::AutoencoderKind kind) {
  for (const wan::AutoencoderPart* each : known.autoencoders)
    if (each->kind == kind) return each;
  return nullptr;
}

void describe_config(Report& part, const wan::Component& component, const WanConfigs& known) {
  const auto& weights = component.tensors;
  switch (component.found.part) {
    case wan::Part::transformer:
      return describe_part(part, weights,
                           known.transformer != nullptr ? *known.transformer : wan::infer_transformer(weights),
                           [](auto& config, FieldReport out) { wan::visit_transformer_fields(config, out); });
    case wan::Part::text_encoder:
      return describe_part(part, weights,
                           known.text_encoder != nullptr ? *known.text_encoder : wan::infer_umt5(weights),
                           [](auto& config, FieldReport out) { wan::visit_umt5_fields(config, out); });
    case wan::Part::vae: {
      const auto* vae = autoencoder_of(known, wan::AutoencoderKind::vae);
      return describe_part(part, weights, vae != nullptr ? vae->vae : wan::infer_vae(weights),
                           [](auto& config, FieldReport out) { wan::visit_vae_fields(config, out); });
    }
    case wan::Part::tiny_autoencoder: {
      const auto* tiny = autoencoder_of(known, wan::AutoencoderKind::tiny);
      return describe_part(part, weights, tiny != nullptr ? tiny->tiny : wan::infer_tiny_autoencoder(weights),
                           [](auto& config, FieldReport out) { wan::visit_tiny_autoencoder_fields(config, out); });
    }
  }
}

Report describe(const wan::Component& component, const WanConfigs& known) {
  Report part;
  part["part"] = std::string(wan::name(component.found.part));
  part["prefix"] = component.found.prefix;
  part["names"] = component.found.naming == wan::Naming::original ? "wan" : "diffusers";
  count(part, component.tensors);
  try {
    describe_config(part, component, known);
  } catch (const Error& error) {  // shapes from which no dimensions follow
    part["complete"] = false;
    part["problem"] = error.what();
  }
  return part;
}

}  // namespace

Report wan_parts(const tensor::WeightMap& tensors, const WanConfigs& known) {
  Report parts = Report::array();
  for (const wan::Component& component : wan::find_components(tensors)) parts.push_back(describe(component, known));
  return parts;
}

Inspection inspect_wan(const fs::path& directory) {
  if (directory.empty())
    return {.parts = [](const fs::path&, const tensor::WeightMap& tensors) { return wan_parts(tensors, {}); }};
  const wan::ModelDirectory model = wan::open_model_directory(directory);
  Inspection inspection;
  inspection.about["name"] = model.name;
  inspection.about["tokenizer"] = model.tokenizer.string();
  inspection.about["defaults"] = Report::object();
  wan::visit_default_fields(model.defaults, FieldReport{inspection.about["defaults"]});
  const wan::Defaults& defaults = model.defaults;
  inspection.about["sampler"] = defaults.denoising_step_list.empty() ? "many_step" : "few_step";
  report(inspection.about, model.trained_for);
  report(inspection.about, model.words);
  if (!model.assumptions.empty()) inspection.about["assumptions"] = model.assumptions;
  std::set<fs::path> files{model.transformer.file, model.text_encoder.file, model.autoencoder.file};
  if (model.preview_autoencoder) files.insert(model.preview_autoencoder->file);
  inspection.files.assign(files.begin(), files.end());
  inspection.parts = [model](const fs::path&, const tensor::WeightMap& tensors) {
    WanConfigs known{&model.transformer.config, &model.text_encoder.config, {&model.autoencoder}};
    if (model.preview_autoencoder) known.autoencoders.push_back(&*model.preview_autoencoder);
    return wan_parts(tensors, known);
  };
  return inspection;
}

}  // namespace rushes::generation
