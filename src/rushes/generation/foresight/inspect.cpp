// What a model directory or one of its checkpoints is, by names and shapes.
#include "rushes/generation/foresight/inspect.h"

#include "rushes/base/error.h"
#include "rushes/generation/foresight/default_fields.h"
#include "rushes/generation/foresight/model_directory.h"
#include "rushes/models/dinov2/checkpoint.h"
#include "rushes/models/dinov2/encoder.h"
#include "rushes/models/foresight/adapter.h"
#include "rushes/models/ltx/checkpoint.h"
#include "rushes/models/t5/checkpoint.h"
#include "rushes/models/t5/t5_encoder.h"
#include "rushes/tensor/checkpoint_folder.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;
using tensor::WeightMap;

/// Counts what the part takes, and says whether that is all of it.
Report described(const char* name, const WeightMap& tensors, const tensor::Shapes& shapes, Report config) {
  Report part;
  part["part"] = name;
  part["prefix"] = "";
  part["config"] = std::move(config);
  part["extra"] = tensor::extra_keys(tensors, shapes);
  try {
    count(part, tensor::take_complete(tensors, shapes, "this file"));
    part["complete"] = true;
  } catch (const Error& error) {
    count(part, tensors);
    part["complete"] = false;
    part["problem"] = error.what();
  }
  return part;
}

Report spatial_part(const WeightMap& tensors) {
  const dinov2::Config config = dinov2::infer_config(tensors);
  Report part = described("spatial_encoder", dinov2::with_hub_names(tensors), dinov2::parameter_shapes(config),
                          {{"embed_dim", config.embed_dim},
                           {"depth", config.depth},
                           {"mlp_dim", config.mlp_dim},
                           {"patch_size", config.patch_size},
                           {"stored_grid", config.stored_grid}});
  const bool is_large = config.embed_dim == 1024 && config.depth == 24 && config.patch_size == 14;
  part["model"] = is_large ? "DINOv2 ViT-L/14" : "DINOv2 of own dimensions";
  return part;
}

Report adapter_part(const WeightMap& tensors) {
  const foresight::AdapterConfig config = foresight::infer_adapter(tensors);
  Report part = described("adapter", tensors, foresight::parameter_shapes(config),
                          {{"vlm_dim", config.vlm_dim},
                           {"spatial_dim", config.spatial_dim},
                           {"hidden_dim", config.hidden_dim},
                           {"output_dim", config.output_dim},
                           {"num_layers", config.num_layers},
                           {"num_queries", config.num_queries}});
  for (const auto& [word, form] : words_of(config.form))
    if (form == config.form) part["model"] = std::string(word) + " adapter";
  return part;
}

/// Of a whole file; of a shard the shapes are not known.
Report text_part(const fs::path& file, const WeightMap& tensors) {
  const t5::Config config = t5::read_config(file);
  Report part = described("text_encoder", t5::with_published_names(tensors), t5::parameter_shapes(config),
                          {{"d_model", config.d_model},
                           {"d_ff", config.d_ff},
                           {"num_heads", config.num_heads},
                           {"num_layers", config.num_layers},
                           {"vocab_size", config.vocab_size}});
  part["model"] = config == t5::Config{} ? "T5 v1.1 XXL encoder" : "T5 of own dimensions";
  return part;
}

Report parts_of(const fs::path& file, const WeightMap& tensors) {
  Report parts = Report::array();
  try {
    if (dinov2::is_dinov2(tensors)) parts.push_back(spatial_part(tensors));
    if (foresight::is_adapter(tensors)) parts.push_back(adapter_part(tensors));
    if (t5::is_t5(tensors)) parts.push_back(text_part(file, tensors));
  } catch (const Error&) {  // of a kind that has these names, too
  }
  return parts;
}

void add_checkpoint(std::vector<fs::path>& files, const fs::path& path) {
  if (path.empty()) return;
  files.push_back(fs::is_directory(path) ? tensor::checkpoint_in(path) : path);
}

}  // namespace

Inspection inspect_foresight(const fs::path& directory) {
  Inspection inspection{.parts = parts_of};
  if (directory.empty()) return inspection;
  const ForesightDirectory model = open_foresight_directory(directory);
  inspection.about["name"] = model.name;
  if (!model.tokenizer.empty()) inspection.about["tokenizer"] = model.tokenizer.string();
  inspection.about["defaults"] = Report::object();
  visit_default_fields(model.defaults, FieldReport{inspection.about["defaults"]});
  report(inspection.about, model.trained_for);
  report(inspection.about, model.words);
  add_checkpoint(inspection.files, model.language);
  if (!model.video.empty()) {
    const ltx::ModelFiles files = ltx::find_files(model.video);
    inspection.files.push_back(files.transformer);
    if (files.vae != files.transformer) inspection.files.push_back(files.vae);
    add_checkpoint(inspection.files, model.text_encoder);
  }
  add_checkpoint(inspection.files, model.spatial);
  add_checkpoint(inspection.files, model.adapter);
  return inspection;
}

}  // namespace rushes::generation
