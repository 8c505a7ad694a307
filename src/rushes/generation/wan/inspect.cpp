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

// As a visitor of config_fields.h.
struct JsonWriter {
  Report& object;
  template <typename T>
  void operator()(const char* key, const T& value, FieldRange = kAny) {
    object[key] = value;
  }
  void operator()(const char* key, const wan::ModelType& value) {
    object[key] = value == wan::ModelType::t2v ? "t2v" : "i2v";
  }
};

// Fills in what a part is: its published name if it has one, its dimensions, and what does not fit them.
template <typename Config, typename Visit>
void describe_part(Report& part, const tensor::WeightMap& weights, const Config& config, Visit visit) {
  part["model"] = wan::published_name(config).value_or("own dimensions");
  part["config"] = Report::object();
  visit(config, JsonWriter{part["config"]});
  part["extra"] = tensor::extra_keys(weights, wan::parameter_shapes(config));
  part["complete"] = true;
  try {
    tensor::check_complete(weights, wan::parameter_shapes(config), "this file");
  } catch (const Error& error) {
    part["complete"] = false;
    part["problem"] = error.what();
  }
}

const wan::AutoencoderPart* autoencoder_of(const wan::ModelDirectory* model, wan::AutoencoderKind kind) {
  if (model == nullptr) return nullptr;
  if (model->autoencoder.kind == kind) return &model->autoencoder;
  return model->preview_autoencoder && model->preview_autoencoder->kind == kind ? &*model->preview_autoencoder
                                                                                : nullptr;
}

// `model`: the one that the file belongs to, whose manifest says what no shape tells; null for a file alone.
void describe_config(Report& part, const wan::Component& component, const wan::ModelDirectory* model) {
  const auto& weights = component.tensors;
  switch (component.found.part) {
    case wan::Part::transformer:
      return describe_part(part, weights,
                           model != nullptr ? model->transformer.config : wan::infer_transformer(weights),
                           [](auto& config, JsonWriter out) { wan::visit_transformer_fields(config, out); });
    case wan::Part::text_encoder:
      return describe_part(part, weights, model != nullptr ? model->text_encoder.config : wan::infer_umt5(weights),
                           [](auto& config, JsonWriter out) { wan::visit_umt5_fields(config, out); });
    case wan::Part::vae: {
      const auto* vae = autoencoder_of(model, wan::AutoencoderKind::vae);
      return describe_part(part, weights, vae != nullptr ? vae->vae : wan::infer_vae(weights),
                           [](auto& config, JsonWriter out) { wan::visit_vae_fields(config, out); });
    }
    case wan::Part::tiny_autoencoder: {
      const auto* tiny = autoencoder_of(model, wan::AutoencoderKind::tiny);
      return describe_part(part, weights, tiny != nullptr ? tiny->tiny : wan::infer_tiny_autoencoder(weights),
                           [](auto& config, JsonWriter out) { wan::visit_tiny_autoencoder_fields(config, out); });
    }
  }
}

Report describe(const wan::Component& component, const wan::ModelDirectory* model) {
  Report part;
  part["part"] = std::string(wan::name(component.found.part));
  part["prefix"] = component.found.prefix;
  part["names"] = component.found.naming == wan::Naming::original ? "wan" : "diffusers";
  count(part, component.tensors);
  try {
    describe_config(part, component, model);
  } catch (const Error& error) {  // shapes from which no dimensions follow
    part["complete"] = false;
    part["problem"] = error.what();
  }
  return part;
}

Report parts_of(const tensor::WeightMap& tensors, const wan::ModelDirectory* model) {
  Report parts = Report::array();
  for (const wan::Component& component : wan::find_components(tensors)) parts.push_back(describe(component, model));
  return parts;
}

}  // namespace

Inspection inspect_wan(const fs::path& directory) {
  if (directory.empty())
    return {.parts = [](const fs::path&, const tensor::WeightMap& tensors) { return parts_of(tensors, nullptr); }};
  const wan::ModelDirectory model = wan::open_model_directory(directory);
  Inspection inspection;
  inspection.about["name"] = model.name;
  inspection.about["tokenizer"] = model.tokenizer.string();
  inspection.about["defaults"] = Report::object();
  wan::visit_default_fields(model.defaults, JsonWriter{inspection.about["defaults"]});
  const wan::Defaults& defaults = model.defaults;
  inspection.about["sampler"] = defaults.denoising_step_list.empty() ? "many_step" : "few_step";
  if (!model.assumptions.empty()) inspection.about["assumptions"] = model.assumptions;
  std::set<fs::path> files{model.transformer.file, model.text_encoder.file, model.autoencoder.file};
  if (model.preview_autoencoder) files.insert(model.preview_autoencoder->file);
  inspection.files.assign(files.begin(), files.end());
  inspection.parts = [model](const fs::path&, const tensor::WeightMap& tensors) { return parts_of(tensors, &model); };
  return inspection;
}

}  // namespace rushes::generation
