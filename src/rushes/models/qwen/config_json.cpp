#include "rushes/models/qwen/config_json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "rushes/base/config_fields.h"
#include "rushes/base/error.h"
#include "rushes/base/json_file.h"

namespace rushes::qwen {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

void require_activation(const ConfigFields& fields) {
  const json* given = fields.find("hidden_act");
  require(!given || *given == "silu", ErrorCode::unsupported, "{}: hidden_act must be silu", fields.where());
}

/// Positions of three parts: "mrope" in the first published files, "default" with sections in later ones.
void read_rope(const ConfigFields& fields, TextConfig& config) {
  for (const char* key : {"rope_scaling", "rope_parameters"}) {  // the second is how newer libraries write it
    const json* given = fields.find(key);
    if (!given) continue;
    const ConfigFields rope(*given, fields.where() + "." + key);
    for (const char* name : {"type", "rope_type"}) {
      const json* type = rope.find(name);
      require(!type || *type == "mrope" || *type == "default", ErrorCode::unsupported, "{}.{} must be mrope or default",
              rope.where(), name);
    }
    rope.integers("mrope_section", config.mrope_section, 0);
    rope.real("rope_theta", config.rope_theta, 1, 1e12);
  }
}

void read_sampling(const json& object, const std::string& where, Config& config) {
  const ConfigFields fields(object, where);
  SamplingConfig& sampling = config.sampling;
  sampling.do_sample = false;  // as the published library has it where the file does not say
  fields.flag("do_sample", sampling.do_sample);
  fields.real("temperature", sampling.temperature, 1e-6, 1e6);
  fields.integer("top_k", sampling.top_k, 0);
  fields.real("top_p", sampling.top_p, 1e-9, 1);
  fields.real("repetition_penalty", sampling.repetition_penalty, 1e-3, 1e3);
}

void read_eos(const json& object, const std::string& where, Config& config) {
  const ConfigFields fields(object, where);
  const json* given = fields.find("eos_token_id");
  if (!given) return;
  if (given->is_array()) {
    fields.integers("eos_token_id", config.eos_token_ids, 0);
    return;
  }
  config.eos_token_ids = {0};
  fields.integer("eos_token_id", config.eos_token_ids[0], 0);
}

}  // namespace

TextConfig text_config(const json& object, const std::string& where) {
  const ConfigFields fields(object, where);
  require_activation(fields);
  TextConfig config;
  fields.integer("vocab_size", config.vocab_size);
  fields.integer("hidden_size", config.hidden_size);
  fields.integer("intermediate_size", config.intermediate_size);
  fields.integer("num_hidden_layers", config.num_hidden_layers, 1, 1000);
  fields.integer("num_attention_heads", config.num_attention_heads, 1, 1024);
  config.num_key_value_heads = config.num_attention_heads;
  fields.integer("num_key_value_heads", config.num_key_value_heads, 1, 1024);
  fields.integer("max_position_embeddings", config.max_position_embeddings);
  fields.real("rms_norm_eps", config.rms_norm_eps, 0, 1);
  fields.real("rope_theta", config.rope_theta, 1, 1e12);
  fields.flag("tie_word_embeddings", config.tie_word_embeddings);
  read_rope(fields, config);
  bool sliding = false;
  fields.flag("use_sliding_window", sliding);
  require(!sliding, ErrorCode::unsupported, "{}: use_sliding_window must be false", where);
  return config;
}

VisionConfig vision_config(const json& object, const std::string& where) {
  const ConfigFields fields(object, where);
  require_activation(fields);
  VisionConfig config;
  fields.integer("depth", config.depth, 1, 1000);
  fields.integer("hidden_size", config.hidden_size);
  fields.integer("intermediate_size", config.intermediate_size);
  fields.integer("num_heads", config.num_heads, 1, 1024);
  fields.integer("in_channels", config.in_channels, 1, 1024);
  fields.integer("in_chans", config.in_channels, 1, 1024);  // as the first published files spell it
  fields.integer("patch_size", config.patch_size, 1, 1024);
  fields.integer("spatial_patch_size", config.patch_size, 1, 1024);
  fields.integer("spatial_merge_size", config.spatial_merge_size, 1, 64);
  fields.integer("temporal_patch_size", config.temporal_patch_size, 1, 64);
  fields.integer("window_size", config.window_size);
  fields.integer("out_hidden_size", config.out_hidden_size);
  fields.integers("fullatt_block_indexes", config.fullatt_block_indexes, 0);
  return config;
}

PictureConfig picture_config(const json& object, const std::string& where) {
  const ConfigFields fields(object, where);
  constexpr int64_t kMostPixels = int64_t{1} << 40;
  PictureConfig config;
  if (const json* size = fields.find("size")) {  // newer files
    const ConfigFields edges(*size, where + ".size");
    edges.integer("shortest_edge", config.min_pixels, 1, kMostPixels);
    edges.integer("longest_edge", config.max_pixels, 1, kMostPixels);
  }
  fields.integer("min_pixels", config.min_pixels, 1, kMostPixels);
  fields.integer("max_pixels", config.max_pixels, 1, kMostPixels);
  fields.integer("patch_size", config.patch_size, 1, 1024);
  fields.integer("merge_size", config.merge_size, 1, 64);
  fields.integer("temporal_patch_size", config.temporal_patch_size, 1, 64);
  fields.reals("image_mean", config.mean);
  fields.reals("image_std", config.std);
  require(config.min_pixels <= config.max_pixels, ErrorCode::corrupt_data, "{}: min_pixels is above max_pixels", where);
  require(std::ranges::all_of(config.std, [](double std) { return std > 0; }), ErrorCode::corrupt_data,
          "{}: image_std must be above 0", where);
  return config;
}

Config read_config(const fs::path& folder) {
  const std::string name = (folder / "config.json").string(), where = "'" + name + "'";
  const json object = json_object_in(name);
  const ConfigFields fields(object, where);
  Config config;
  json text = object;
  if (const json* nested = fields.find("text_config")) text = *nested;
  config.text = text_config(text, where);
  fields.flag("tie_word_embeddings", config.text.tie_word_embeddings);  // also at the top of nested ones
  const json* vision = fields.find("vision_config");
  config.vision = vision_config(vision ? *vision : json::object(), where + ".vision_config");
  if (!vision || !vision->contains("out_hidden_size")) config.vision.out_hidden_size = config.text.hidden_size;
  fields.integer("image_token_id", config.image_token_id, 0);
  fields.integer("video_token_id", config.video_token_id, 0);
  fields.integer("vision_start_token_id", config.vision_start_token_id, 0);
  fields.integer("vision_end_token_id", config.vision_end_token_id, 0);
  read_eos(text, where, config);
  read_eos(object, where, config);
  if (const fs::path file = folder / "generation_config.json"; fs::exists(file)) {
    const json generation = json_object_in(file);
    read_sampling(generation, "'" + file.string() + "'", config);
    read_eos(generation, "'" + file.string() + "'", config);
  }
  if (const fs::path file = folder / "preprocessor_config.json"; fs::exists(file))
    config.picture = picture_config(json_object_in(file), "'" + file.string() + "'");
  check(config, where);
  return config;
}

void check(const Config& config, const std::string& where) {
  const auto& [text, vision, picture, sampling, eos, image, video, start, end] = config;
  const auto need = [&](bool good, const char* what) { require(good, ErrorCode::corrupt_data, "{}: {}", where, what); };
  need(text.hidden_size % text.num_attention_heads == 0, "num_attention_heads must divide hidden_size");
  need(text.head_size() % 2 == 0, "the size of a head must be even");
  need(text.num_attention_heads % text.num_key_value_heads == 0, "num_key_value_heads must divide num_attention_heads");
  need(text.mrope_section.size() == 3 &&
           std::accumulate(text.mrope_section.begin(), text.mrope_section.end(), int64_t{0}) == text.head_size() / 2,
       "mrope_section must be three numbers that together are half the size of a head");
  need(vision.hidden_size % vision.num_heads == 0 && vision.head_size() % 4 == 0,
       "the vision tower's num_heads must divide its hidden_size into heads of a multiple of 4");
  need(vision.out_hidden_size == text.hidden_size, "the vision tower's out_hidden_size must be hidden_size");
  need(vision.window_size / vision.patch_size / vision.spatial_merge_size > 0,
       "the vision tower's window_size is less than a unit of patches");
  need(picture.patch_size == vision.patch_size && picture.merge_size == vision.spatial_merge_size &&
           picture.temporal_patch_size == vision.temporal_patch_size,
       "preprocessor_config.json and vision_config disagree about patches");
  need(image < text.vocab_size && start < text.vocab_size && end < text.vocab_size,
       "the ids of picture tokens must be below vocab_size");
  need(!eos.empty(), "eos_token_id is empty");
}

}  // namespace rushes::qwen
