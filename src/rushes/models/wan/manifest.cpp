// model.yaml, read strictly: every key is known, every value has its type and range, every file lies below the folder.
#include "rushes/models/wan/manifest.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/base/printable.h"
#include "rushes/models/wan/config_fields.h"
#include "rushes/models/wan/model_directory.h"
#include "rushes/nn/solver.h"

namespace rushes::wan {
namespace {

namespace fs = std::filesystem;

TransformerPart read_transformer(ManifestSection section) {
  TransformerPart part;
  part.file = section.file("file");
  if (section.has("branch")) {
    const std::string branch = section.text("branch");
    section.check(branch == "generator" || branch == "generator_ema", "branch", "must be generator or generator_ema");
    part.branch = branch == "generator" ? Branch::generator : Branch::generator_ema;
  }
  TransformerConfig& config = part.config;
  visit_transformer_fields(config, section);
  section.finish();
  check_transformer(section, config);
  return part;
}

}  // namespace

void check_transformer(const ManifestSection& section, const TransformerConfig& config) {
  section.check(config.dim % config.num_heads == 0, "num_heads", "{} does not divide dim {}", config.num_heads,
                config.dim);
  section.check(config.head_size() % 2 == 0, "num_heads", "gives heads of size {}; rotary embedding needs an even size",
                config.head_size());
  section.check(config.freq_dim % 2 == 0, "freq_dim", "must be even, not {}", config.freq_dim);
  section.check(config.local_attn_size != 0, "local_attn_size", "must be -1 (all) or at least 1");
  section.check(config.local_attn_size < 0 || config.sink_size < config.local_attn_size, "sink_size",
                "{} leaves no room in a window of {} latent frames", config.sink_size, config.local_attn_size);
}

TextEncoderPart read_text_encoder(ManifestSection section) {
  TextEncoderPart part;
  part.file = section.file("file");
  Umt5Config& config = part.config;
  visit_umt5_fields(config, section);
  section.finish();
  section.check(config.dim_attn % config.num_heads == 0, "num_heads", "{} does not divide dim_attn {}",
                config.num_heads, config.dim_attn);
  section.check(config.num_buckets % 4 == 0, "num_buckets", "must be a multiple of 4, not {}", config.num_buckets);
  return part;
}

AutoencoderPart read_autoencoder(ManifestSection section) {
  AutoencoderPart part;
  const std::string kind = section.text("kind");
  section.check(kind == "vae" || kind == "tiny", "kind", "is '{}'; allowed values are vae and tiny", printable(kind));
  part.kind = kind == "vae" ? AutoencoderKind::vae : AutoencoderKind::tiny;
  part.file = section.file("file");
  if (part.kind == AutoencoderKind::vae) {
    VaeConfig& config = part.vae;
    visit_vae_fields(config, section);
    section.finish();
    const auto channels = static_cast<std::size_t>(config.z_dim);
    section.check(config.mean.size() == channels, "mean", "needs one number for each of the {} latent channels",
                  channels);
    section.check(config.std.size() == channels, "std", "needs one number for each of the {} latent channels",
                  channels);
    section.check(!config.dim_mult.empty() && config.dim_mult.size() <= 8, "dim_mult", "needs 1 to 8 levels");
    section.check(config.temporal_downsample.size() + 1 == config.dim_mult.size(), "temporal_downsample",
                  "needs {} entries, one fewer than dim_mult", config.dim_mult.size() - 1);
  } else {
    TinyAutoencoderConfig& config = part.tiny;
    visit_tiny_autoencoder_fields(config, section);
    section.finish();
    section.check(config.decoder_widths.size() == 4, "decoder_widths", "needs 4 numbers");
    section.check(config.decoder_time_upscale.size() == 2, "decoder_time_upscale", "needs 2 entries");
    section.check(config.decoder_space_upscale.size() == 3, "decoder_space_upscale", "needs 3 entries");
  }
  return part;
}

namespace {

Defaults read_defaults(ManifestSection section) {
  Defaults defaults;
  visit_default_fields(defaults, section);
  section.finish();
  const auto& list = defaults.denoising_step_list;
  for (std::size_t i = 0; i < list.size(); ++i) {
    section.check(list[i] <= static_cast<double>(defaults.num_train_timestep), "denoising_step_list",
                  "has {}, more than num_train_timestep {}", list[i], defaults.num_train_timestep);
    section.check(i == 0 || list[i] < list[i - 1], "denoising_step_list",
                  "must decrease from entry to entry ({} follows {})", list[i], list[i == 0 ? 0 : i - 1]);
  }
  const auto& solvers = nn::solver_names();
  section.check(std::find(solvers.begin(), solvers.end(), defaults.solver) != solvers.end(), "solver",
                "is '{}'; allowed values are {}", printable(defaults.solver), fmt::join(solvers, ", "));
  const int64_t block = defaults.num_frame_per_block, first = defaults.independent_first_frame ? 1 : 0;
  section.check((defaults.segment_latent_frames - first) % block == 0, "segment_length",
                "must be {} multiple of {} (got {})", first != 0 ? "1 more than a" : "a", block,
                defaults.segment_latent_frames);
  section.check(defaults.overlap_latent_frames < defaults.segment_latent_frames, "overlap_frames",
                "{} must be less than segment_length {}", defaults.overlap_latent_frames,
                defaults.segment_latent_frames);
  return defaults;
}

}  // namespace

int64_t latent_channels(const AutoencoderPart& part) {
  return part.kind == AutoencoderKind::vae ? part.vae.z_dim : part.tiny.latent_channels;
}

void write_autoencoder(ManifestWriter& out, const char* key, const AutoencoderPart& part, const fs::path& directory) {
  const bool is_vae = part.kind == AutoencoderKind::vae;
  out.begin(key);
  out("kind", std::string(is_vae ? "vae" : "tiny"));
  out("file", part.file.lexically_relative(directory).string());
  if (is_vae)
    visit_vae_fields(part.vae, out);
  else
    visit_tiny_autoencoder_fields(part.tiny, out);
  out.end();
}

void write_text_encoder(ManifestWriter& out, const TextEncoderPart& part, const fs::path& directory) {
  out.begin("text_encoder");
  out("file", part.file.lexically_relative(directory).string());
  visit_umt5_fields(part.config, out);
  out.end();
}

void check_parts(const TransformerConfig& transformer, const TextEncoderPart& text_encoder,
                 const AutoencoderPart& autoencoder, const std::string& source) {
  require(text_encoder.config.dim == transformer.text_dim, ErrorCode::invalid_argument,
          "{}: 'transformer.text_dim' is {}, but 'text_encoder.dim' is {}; they must be equal", source,
          transformer.text_dim, text_encoder.config.dim);
  require(latent_channels(autoencoder) == transformer.out_dim, ErrorCode::invalid_argument,
          "{}: 'transformer.out_dim' is {}, but the autoencoder has {} latent channels; they must be equal", source,
          transformer.out_dim, latent_channels(autoencoder));
}

ModelDirectory parse_manifest(const std::string& yaml, const fs::path& directory, const std::string& source) {
  ModelDirectory model;
  model.directory = fs::absolute(directory).lexically_normal();
  read_manifest(yaml, model.directory, source, "wan", [&](std::string name, ManifestSection& top) {
    model.name = std::move(name);
    model.transformer = read_transformer(top.section("transformer"));
    model.text_encoder = read_text_encoder(top.section("text_encoder"));
    model.autoencoder = read_autoencoder(top.section("autoencoder"));
    if (top.has("preview_autoencoder"))
      model.preview_autoencoder = read_autoencoder(top.section("preview_autoencoder"));
    model.tokenizer = top.file("tokenizer");
    if (top.has("defaults")) model.defaults = read_defaults(top.section("defaults"));
    model.trained_for = read_trained_for(top);
    model.words = read_words(top);
  });
  check_parts(model.transformer.config, model.text_encoder, model.autoencoder, source);
  require(
      !model.preview_autoencoder || latent_channels(*model.preview_autoencoder) == latent_channels(model.autoencoder),
      ErrorCode::invalid_argument,
      "{}: 'preview_autoencoder' and 'autoencoder' have different numbers of latent channels", source);
  return model;
}

std::string manifest_yaml(const ModelDirectory& model) {
  const auto relative = [&](const fs::path& file) { return file.lexically_relative(model.directory).string(); };
  ManifestWriter out(model.name, "wan");
  out.begin("transformer");
  out("file", relative(model.transformer.file));
  out("branch", std::string(model.transformer.branch == Branch::generator ? "generator" : "generator_ema"));
  visit_transformer_fields(model.transformer.config, out);
  out.end();
  write_text_encoder(out, model.text_encoder, model.directory);
  write_autoencoder(out, "autoencoder", model.autoencoder, model.directory);
  if (model.preview_autoencoder)
    write_autoencoder(out, "preview_autoencoder", *model.preview_autoencoder, model.directory);
  out("tokenizer", relative(model.tokenizer));
  out.begin("defaults");
  visit_default_fields(model.defaults, out);
  out.end();
  write_trained_for(out, model.trained_for);
  write_words(out, model.words);
  return out.finish();
}

}  // namespace rushes::wan
