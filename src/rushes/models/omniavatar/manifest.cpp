// model.yaml of this family, read strictly.
#include "rushes/base/manifest.h"

#include "rushes/base/error.h"
#include "rushes/models/omniavatar/default_fields.h"
#include "rushes/models/omniavatar/model_directory.h"
#include "rushes/models/wan/config_fields.h"
#include "rushes/models/wan/manifest.h"
#include "rushes/models/wav2vec/config_fields.h"

namespace rushes::omniavatar {
namespace {

namespace fs = std::filesystem;
constexpr const char* kFamily = "omniavatar";

template <typename Part, typename Visitor>
void visit_transformer(Part& part, Visitor&& visit) {
  wan::visit_transformer_fields(part.config.wan, visit);
  visit("audio_hidden_size", part.config.speech.hidden_size, kExtent);
  if (part.adapter.empty()) return;
  visit("lora_alpha", part.lora.alpha, FieldRange{1e-3, 1e6});
  visit("lora_rank", part.lora.rank, FieldRange{1, 1 << 16});
}

TransformerPart read_transformer(ManifestSection section) {
  TransformerPart part;
  part.file = section.file("file");
  if (section.has("adapter")) part.adapter = section.file("adapter");
  visit_transformer(part, section);
  section.finish();
  wan::check_transformer(section, part.config.wan);
  section.check(part.config.wan.model_type == wan::ModelType::t2v, "model_type", "must be t2v");
  section.check(part.config.condition_channels() == part.config.wan.out_dim + 1, "in_dim",
                "must be {}: latents, the picture's latents and a mask", 2 * part.config.wan.out_dim + 1);
  return part;
}

AudioEncoderPart read_audio_encoder(ManifestSection section) {
  AudioEncoderPart part;
  part.file = section.file("file");
  wav2vec::Config& config = part.config;
  wav2vec::visit_sizes(config, section);
  section.finish();
  section.check(config.hidden_size % config.num_attention_heads == 0, "num_attention_heads",
                "{} does not divide hidden_size {}", config.num_attention_heads, config.hidden_size);
  section.check(config.hidden_size % config.num_conv_pos_embedding_groups == 0, "num_conv_pos_embedding_groups",
                "{} does not divide hidden_size {}", config.num_conv_pos_embedding_groups, config.hidden_size);
  const bool is_one_length =
      config.conv_kernel.size() == config.conv_dim.size() && config.conv_stride.size() == config.conv_dim.size();
  section.check(!config.conv_dim.empty() && is_one_length, "conv_dim", "must have as many entries as the others");
  return part;
}

Defaults read_defaults(ManifestSection section) {
  Defaults defaults;
  if (section.has("sampler")) section("sampler", defaults.sampler);
  defaults = published_defaults(defaults.sampler);
  visit_default_fields(defaults, section);
  section.finish();
  section.check(defaults.overlap_frame % 4 == 1, "overlap_frame", "must be one more than a multiple of 4, not {}",
                defaults.overlap_frame);
  section.check(defaults.max_hw == 0 || defaults.max_hw == 720 || defaults.max_hw == 1280, "max_hw",
                "must be 720, 1280 or 0, not {}", defaults.max_hw);
  section.check(defaults.window == 0 || defaults.window - defaults.sink >= defaults.num_frame_per_block, "window",
                "of {} latent frames with a sink of {} leaves no room for a block of {}", defaults.window,
                defaults.sink, defaults.num_frame_per_block);
  return defaults;
}

}  // namespace

Defaults published_defaults(Sampler sampler) {
  Defaults defaults;
  defaults.sampler = sampler;
  if (sampler == Sampler::bidirectional) {
    defaults.steps = 50;
    defaults.fps = 25;
  }
  return defaults;
}

ModelDirectory parse_manifest(const std::string& yaml, const fs::path& directory, const std::string& source) {
  ModelDirectory model;
  model.directory = fs::absolute(directory).lexically_normal();
  read_manifest(yaml, model.directory, source, kFamily, [&](std::string name, ManifestSection& top) {
    model.name = std::move(name);
    model.transformer = read_transformer(top.section("transformer"));
    model.text_encoder = wan::read_text_encoder(top.section("text_encoder"));
    model.autoencoder = wan::read_autoencoder(top.section("autoencoder"));
    model.tokenizer = top.file("tokenizer");
    model.audio_encoder = read_audio_encoder(top.section("audio_encoder"));
    if (top.has("defaults")) model.defaults = read_defaults(top.section("defaults"));
    model.trained_for = read_trained_for(top);
    model.words = read_words(top);
  });
  SpeechConfig& speech = model.transformer.config.speech;
  speech.feature_dim = speech_feature_dim(model.audio_encoder.config);
  if (model.autoencoder.kind == wan::AutoencoderKind::vae) speech.group = model.autoencoder.vae.temporal_stride();
  wan::check_parts(model.transformer.config.wan, model.text_encoder, model.autoencoder, source);
  return model;
}

std::string manifest_yaml(const ModelDirectory& model) {
  const auto relative = [&](const fs::path& file) { return file.lexically_relative(model.directory).string(); };
  ManifestWriter out(model.name, kFamily);
  out.begin("transformer");
  out("file", relative(model.transformer.file));
  if (!model.transformer.adapter.empty()) out("adapter", relative(model.transformer.adapter));
  visit_transformer(model.transformer, out);
  out.end();
  wan::write_text_encoder(out, model.text_encoder, model.directory);
  wan::write_autoencoder(out, "autoencoder", model.autoencoder, model.directory);
  out("tokenizer", relative(model.tokenizer));
  out.begin("audio_encoder");
  out("file", relative(model.audio_encoder.file));
  wav2vec::visit_sizes(model.audio_encoder.config, out);
  out.end();
  out.begin("defaults");
  visit_default_fields(model.defaults, out);
  out.end();
  write_trained_for(out, model.trained_for);
  write_words(out, model.words);
  return out.finish();
}

}  // namespace rushes::omniavatar
