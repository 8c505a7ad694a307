// What a model directory or one of its checkpoints is, by names and shapes.
#include "rushes/generation/foresight/inspect.h"

#include <algorithm>
#include <initializer_list>

#include "rushes/base/error.h"
#include "rushes/generation/foresight/default_fields.h"
#include "rushes/generation/foresight/model_directory.h"
#include "rushes/models/dinov2/checkpoint.h"
#include "rushes/models/dinov2/encoder.h"
#include "rushes/models/foresight/adapter.h"
#include "rushes/models/ltx/checkpoint.h"
#include "rushes/models/ltx/single_file.h"
#include "rushes/models/qwen/checkpoint.h"
#include "rushes/models/qwen/config_json.h"
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

/// A part whose dimensions are in the files beside it, which describe() reads. Without them it is only named.
template <typename Describe>
Report described_beside(const char* name, const WeightMap& tensors, Describe describe) {
  Report part{{"part", name}, {"prefix", ""}};
  try {
    count(part, describe(part));
    part["complete"] = true;
  } catch (const Error& error) {
    count(part, tensors);
    if (error.code() == ErrorCode::not_found) return part;
    part["complete"] = false;
    part["problem"] = error.what();
  }
  return part;
}

Report language_part(const fs::path& file, const WeightMap& tensors) {
  return described_beside("language_model", tensors, [&](Report& part) {
    part["model"] = "Qwen2.5-VL";
    const qwen::Config config = qwen::read_config(file.parent_path());
    part["config"] = {{"hidden_size", config.text.hidden_size},
                      {"num_hidden_layers", config.text.num_hidden_layers},
                      {"vocab_size", config.text.vocab_size},
                      {"vision_hidden_size", config.vision.hidden_size},
                      {"vision_depth", config.vision.depth}};
    return qwen::load(file, config);
  });
}

/// The model that a file of its folder `transformer` or `vae` belongs to. Throws Error(not_found) for one that lies
/// elsewhere.
ltx::ModelFiles video_files(const fs::path& file, bool is_single_file) {
  if (is_single_file) return ltx::find_files(file);
  const fs::path own = fs::absolute(file);
  const ltx::ModelFiles files = ltx::find_files(own.parent_path().parent_path());
  require(files.transformer == own || files.vae == own, ErrorCode::not_found, "'{}' is in no model's folder",
          file.string());
  return files;
}

Report video_transformer_part(const fs::path& file, const WeightMap& tensors, bool is_single_file) {
  return described_beside("video_transformer", tensors, [&](Report& part) {
    part["model"] = "LTX-Video";
    const ltx::ModelFiles files = video_files(file, is_single_file);
    const ltx::TransformerConfig config = ltx::read_config(files).transformer;
    part["config"] = {{"num_attention_heads", config.num_attention_heads},
                      {"attention_head_dim", config.attention_head_dim},
                      {"num_layers", config.num_layers},
                      {"caption_channels", config.caption_channels}};
    return ltx::load_transformer(files, config);
  });
}

Report video_autoencoder_part(const fs::path& file, const WeightMap& tensors, bool is_single_file) {
  return described_beside("video_autoencoder", tensors, [&](Report& part) {
    part["model"] = "LTX-Video";
    const ltx::ModelFiles files = video_files(file, is_single_file);
    const ltx::VaeConfig config = ltx::read_config(files).vae;
    part["config"] = {{"latent_channels", config.latent_channels},
                      {"block_out_channels", config.block_out_channels},
                      {"spatial_compression", config.spatial_compression()},
                      {"temporal_compression", config.temporal_compression()}};
    return ltx::load_vae(files, config);
  });
}

Report parts_of(const fs::path& file, const WeightMap& tensors) {
  const auto has = [&](const WeightMap& names, std::initializer_list<const char*> keys) {
    return std::all_of(keys.begin(), keys.end(), [&](const char* key) { return names.contains(key); });
  };
  Report parts = Report::array();
  if (has(qwen::with_published_names(tensors), {"model.embed_tokens.weight", "visual.merger.mlp.0.weight"}))
    parts.push_back(language_part(file, tensors));
  const bool is_single_file = ltx::is_single_file(tensors);
  if (is_single_file ||
      has(tensors, {"proj_in.weight", "caption_projection.linear_1.weight", "transformer_blocks.0.scale_shift_table"}))
    parts.push_back(video_transformer_part(file, tensors, is_single_file));
  if (is_single_file || has(tensors, {"decoder.mid_block.resnets.0.conv1.conv.weight", "latents_mean"}))
    parts.push_back(video_autoencoder_part(file, tensors, is_single_file));
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
