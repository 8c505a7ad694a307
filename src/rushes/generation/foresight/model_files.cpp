#include "rushes/generation/foresight/model_files.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/base/manifest.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

void write(const fs::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  require(!out.fail(), ErrorCode::unavailable, "cannot write '{}'", file.string());
}
void write(const fs::path& file, const Json& json) { write(file, json.dump(2) + "\n"); }

fs::path made(const fs::path& folder) {
  fs::create_directories(folder);
  return folder;
}

// ---- language: the transformers library -----------------------------------------------------------------------------

Json language_json(const qwen::Config& c) {
  return {{"architectures", {"Qwen2_5_VLForConditionalGeneration"}},
          {"model_type", "qwen2_5_vl"},
          {"vocab_size", c.text.vocab_size},
          {"hidden_size", c.text.hidden_size},
          {"intermediate_size", c.text.intermediate_size},
          {"num_hidden_layers", c.text.num_hidden_layers},
          {"num_attention_heads", c.text.num_attention_heads},
          {"num_key_value_heads", c.text.num_key_value_heads},
          {"max_position_embeddings", c.text.max_position_embeddings},
          {"rms_norm_eps", c.text.rms_norm_eps},
          {"rope_theta", c.text.rope_theta},
          {"rope_scaling", {{"type", "mrope"}, {"mrope_section", c.text.mrope_section}}},
          {"tie_word_embeddings", c.text.tie_word_embeddings},
          {"hidden_act", "silu"},
          {"image_token_id", c.image_token_id},
          {"video_token_id", c.video_token_id},
          {"vision_start_token_id", c.vision_start_token_id},
          {"vision_end_token_id", c.vision_end_token_id},
          {"vision_config",
           {{"model_type", "qwen2_5_vl"},
            {"depth", c.vision.depth},
            {"hidden_size", c.vision.hidden_size},
            {"intermediate_size", c.vision.intermediate_size},
            {"num_heads", c.vision.num_heads},
            {"in_chans", c.vision.in_channels},
            {"patch_size", c.vision.patch_size},
            {"spatial_patch_size", c.vision.patch_size},
            {"spatial_merge_size", c.vision.spatial_merge_size},
            {"temporal_patch_size", c.vision.temporal_patch_size},
            {"window_size", c.vision.window_size},
            {"out_hidden_size", c.vision.out_hidden_size},
            {"fullatt_block_indexes", c.vision.fullatt_block_indexes},
            {"hidden_act", "silu"}}}};
}

void write_tokenizer(const fs::path& folder, const text::BpeFiles& tokenizer) {
  Json vocabulary = Json::object();
  for (const auto& [token, id] : tokenizer.vocabulary) vocabulary[token] = id;
  write(folder / "vocab.json", vocabulary);
  std::string merges = "#version: 0.2\n";
  for (const auto& [left, right] : tokenizer.merges) merges += left + " " + right + "\n";
  write(folder / "merges.txt", merges);
  Json added = Json::object();
  for (const text::BpeAddedToken& token : tokenizer.added)
    added[std::to_string(token.id)] = {{"content", token.content}, {"special", token.special}};
  write(folder / "tokenizer_config.json", Json{{"tokenizer_class", "Qwen2Tokenizer"}, {"added_tokens_decoder", added}});
}

void write_language(const fs::path& folder, const LanguageFiles& files) {
  const qwen::Config& c = files.config;
  write(folder / "config.json", language_json(c));
  write(folder / "generation_config.json", Json{{"do_sample", c.sampling.do_sample},
                                                {"temperature", c.sampling.temperature},
                                                {"top_k", c.sampling.top_k},
                                                {"top_p", c.sampling.top_p},
                                                {"repetition_penalty", c.sampling.repetition_penalty},
                                                {"eos_token_id", c.eos_token_ids}});
  write(folder / "preprocessor_config.json", Json{{"min_pixels", c.picture.min_pixels},
                                                  {"max_pixels", c.picture.max_pixels},
                                                  {"patch_size", c.picture.patch_size},
                                                  {"merge_size", c.picture.merge_size},
                                                  {"temporal_patch_size", c.picture.temporal_patch_size},
                                                  {"image_mean", c.picture.mean},
                                                  {"image_std", c.picture.std}});
  write_tokenizer(folder, files.tokenizer);
  tensor::save_safetensors(folder / "model.safetensors", files.weights.tensors(), {{"format", "pt"}});
}

// ---- video: the diffusers library -----------------------------------------------------------------------------------

Json transformer_json(const ltx::TransformerConfig& c) {
  return {{"_class_name", "LTXVideoTransformer3DModel"},
          {"in_channels", c.in_channels},
          {"out_channels", c.out_channels},
          {"num_attention_heads", c.num_attention_heads},
          {"attention_head_dim", c.attention_head_dim},
          {"cross_attention_dim", c.dim()},
          {"num_layers", c.num_layers},
          {"caption_channels", c.caption_channels},
          {"norm_eps", c.norm_eps},
          {"qk_norm", "rms_norm_across_heads"},
          {"activation_fn", "gelu-approximate"},
          {"patch_size", 1},
          {"patch_size_t", 1}};
}

Json vae_json(const ltx::VaeConfig& c) {
  Json downsample = Json::array(), blocks = Json::array();
  for (const ltx::Downsample type : c.downsample_type) {
    downsample.push_back(type == ltx::Downsample::conv       ? "conv"
                         : type == ltx::Downsample::spatial  ? "spatial"
                         : type == ltx::Downsample::temporal ? "temporal"
                                                             : "spatiotemporal");
    blocks.push_back(c.has_pixel_downsamplers() ? "LTXVideo095DownBlock3D" : "LTXVideoDownBlock3D");
  }
  return {{"_class_name", "AutoencoderKLLTXVideo"},
          {"in_channels", c.in_channels},
          {"out_channels", c.out_channels},
          {"latent_channels", c.latent_channels},
          {"block_out_channels", c.block_out_channels},
          {"down_block_types", blocks},
          {"downsample_type", downsample},
          {"layers_per_block", c.layers_per_block},
          {"spatio_temporal_scaling", c.spatio_temporal_scaling},
          {"decoder_block_out_channels", c.decoder_block_out_channels},
          {"decoder_layers_per_block", c.decoder_layers_per_block},
          {"decoder_spatio_temporal_scaling", c.decoder_spatio_temporal_scaling},
          {"decoder_inject_noise", c.decoder_inject_noise},
          {"upsample_residual", c.upsample_residual},
          {"upsample_factor", c.upsample_factor},
          {"timestep_conditioning", c.timestep_conditioning},
          {"patch_size", c.patch_size},
          {"patch_size_t", c.patch_size_t},
          {"resnet_norm_eps", c.resnet_norm_eps},
          {"scaling_factor", c.scaling_factor},
          {"encoder_causal", c.encoder_causal},
          {"decoder_causal", c.decoder_causal}};
}

Json scheduler_json(const ltx::SchedulerConfig& c) {
  Json json{{"_class_name", "FlowMatchEulerDiscreteScheduler"},
            {"use_dynamic_shifting", c.use_dynamic_shifting},
            {"shift", c.shift},
            {"base_shift", c.base_shift},
            {"max_shift", c.max_shift},
            {"base_image_seq_len", c.base_image_seq_len},
            {"max_image_seq_len", c.max_image_seq_len}};
  json["shift_terminal"] = c.shift_terminal ? Json(*c.shift_terminal) : Json(nullptr);
  return json;
}

Json text_json(const t5::Config& c) {
  return {{"architectures", {"T5EncoderModel"}},
          {"model_type", "t5"},
          {"feed_forward_proj", "gated-gelu"},
          {"vocab_size", c.vocab_size},
          {"d_model", c.d_model},
          {"d_kv", c.d_kv},
          {"d_ff", c.d_ff},
          {"num_heads", c.num_heads},
          {"num_layers", c.num_layers},
          {"relative_attention_num_buckets", c.relative_attention_num_buckets},
          {"relative_attention_max_distance", c.relative_attention_max_distance},
          {"layer_norm_epsilon", c.layer_norm_epsilon}};
}

void write_video(const fs::path& folder, const VideoFiles& files) {
  write(folder / "model_index.json", Json{{"_class_name", "LTXImageToVideoPipeline"}});
  const auto part = [&](const char* name, const Json& config, const tensor::WeightMap& weights, const char* file) {
    const fs::path own = made(folder / name);
    write(own / "config.json", config);
    tensor::save_safetensors(own / file, weights.tensors(), {{"format", "pt"}});
  };
  constexpr const char* kDiffusers = "diffusion_pytorch_model.safetensors";
  part("transformer", transformer_json(files.config.transformer), files.transformer, kDiffusers);
  part("vae", vae_json(files.config.vae), files.vae, kDiffusers);
  part("text_encoder", text_json(files.text_config), files.text, "model.safetensors");
  write(made(folder / "scheduler") / "scheduler_config.json", scheduler_json(files.config.scheduler));
  fs::copy_file(files.tokenizer, made(folder / "tokenizer") / "spiece.model", fs::copy_options::overwrite_existing);
}

}  // namespace

void write_foresight_model(const fs::path& directory, const ForesightFiles& files) {
  ForesightDirectory model;
  model.directory = fs::absolute(made(directory)).lexically_normal();
  model.name = files.name;
  model.defaults = files.defaults;
  model.trained_for = files.trained_for;
  model.words = files.words;
  if (files.language) {
    model.language = made(model.directory / "language");
    write_language(model.language, *files.language);
  }
  if (files.video) {
    model.video = made(model.directory / "video");
    write_video(model.video, *files.video);
    model.text_encoder = model.video / "text_encoder";
    model.tokenizer = model.video / "tokenizer" / "spiece.model";
  }
  if (files.adapter) {
    model.spatial = model.directory / "dinov2.safetensors";
    model.adapter = model.directory / "adapter.safetensors";
    model.adapter_heads = files.adapter->config.num_heads;
    model.spatial_square = files.adapter->square;
    tensor::save_safetensors(model.spatial, files.adapter->spatial.tensors());
    tensor::save_safetensors(model.adapter, files.adapter->adapter.tensors());
  }
  write(model.directory / kManifestName, foresight_manifest(model));
}

}  // namespace rushes::generation
