#include "rushes/models/wan/model_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/manifest.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/tensor/checkpoint_forge.h"

namespace rushes::wan {
namespace {

namespace fs = std::filesystem;
namespace forge = tensor::forge;
using ::testing::HasSubstr;

// A folder with empty files of the names that kManifest uses.
struct ModelFolder : ScratchFolder {
  ModelFolder() {
    for (const char* name : {"t.safetensors", "e.safetensors", "a.safetensors", "words.model"})
      std::ofstream(path / name) << "x";
  }
};

constexpr const char* kManifest = R"(schema: 1
name: small
family: wan
transformer: {file: t.safetensors, dim: 96, ffn_dim: 128, num_heads: 4, num_layers: 2, text_dim: 48, text_len: 32, local_attn_size: 9, sink_size: 3}
text_encoder: {file: e.safetensors, vocab: 640, dim: 48, dim_attn: 48, dim_ffn: 64, num_heads: 4, num_layers: 1, text_len: 32}
autoencoder: {kind: tiny, file: a.safetensors, decoder_widths: [64, 48, 16, 16], encoder_width: 16}
tokenizer: words.model
defaults: {denoising_step_list: [1000, 500.5], height: 96, width: 128, seed: 7, negative_prompt: "grey, blurred"}
)";

TEST(ModelDirectory, a_manifest_sets_what_it_names_and_leaves_the_defaults) {
  const ModelFolder scratch;
  const fs::path& folder = scratch.path;
  std::ofstream(folder / kManifestName) << kManifest;
  const ModelDirectory model = open_model_directory(folder);
  EXPECT_EQ(model.name, "small");
  EXPECT_EQ(model.transformer.file, folder / "t.safetensors");
  EXPECT_EQ(model.transformer.config.dim, 96);
  EXPECT_EQ(model.transformer.config.in_dim, 16);
  EXPECT_EQ(model.transformer.config.sink_size, 3);
  EXPECT_EQ(model.autoencoder.kind, AutoencoderKind::tiny);
  EXPECT_EQ(model.autoencoder.tiny.decoder_widths, (std::vector<int64_t>{64, 48, 16, 16}));
  EXPECT_EQ(model.defaults.denoising_step_list, (std::vector<double>{1000, 500.5}));
  EXPECT_EQ(model.defaults.negative_prompt, "grey, blurred");
  EXPECT_EQ(model.defaults.segment_latent_frames, 21);
  EXPECT_EQ(model.tokenizer, folder / "words.model");
  EXPECT_FALSE(model.preview_autoencoder.has_value());
}

TEST(ModelDirectory, a_written_manifest_reads_back_the_same) {
  const ModelFolder scratch;
  const fs::path& folder = scratch.path;
  ModelDirectory model = parse_manifest(kManifest, folder, "m");
  model.name = "quotes \" : and\nlines é";
  model.transformer.branch = Branch::generator_ema;
  model.transformer.config.eps = 1.0 / 3;
  model.preview_autoencoder = model.autoencoder;
  model.autoencoder.kind = AutoencoderKind::vae;
  model.autoencoder.tiny = {};
  model.defaults.independent_first_frame = true;
  model.defaults.segment_latent_frames = 22;
  model.defaults.denoising_step_list = {};
  const ModelDirectory read = parse_manifest(manifest_yaml(model), folder, "m");
  EXPECT_EQ(read, model) << manifest_yaml(model);
}

struct Wrong {
  const char* name;
  std::string from, to;  // what is replaced in kManifest
  ErrorCode code;
  const char* words;
};

TEST(ModelDirectory, a_wrong_manifest_is_refused_by_the_name_of_the_field) {
  const ModelFolder scratch;
  const fs::path& folder = scratch.path;
  const auto bad = ErrorCode::invalid_argument;
  const Wrong cases[] = {
      {"unknown key", "sink_size: 3", "sink: 3", bad,
       "'transformer.sink' is not a known key; the allowed keys are: file"},
      {"unknown key on top", "family: wan", "family: wan\nlicence: x", bad, "'licence' is not a known key"},
      {"key twice", "dim: 96, ffn", "dim: 96, dim: 96, ffn", bad, "'transformer.dim' is given twice"},
      {"missing section", "tokenizer: words.model\n", "", bad, "'tokenizer' is missing"},
      {"missing file key", "file: t.safetensors, ", "", bad, "'transformer.file' is missing"},
      {"section is a number", "{kind: tiny, file: a.safetensors, decoder_widths: [64, 48, 16, 16], encoder_width: 16}",
       "3", bad, "'autoencoder' must be a mapping"},
      {"text for number", "dim: 96", "dim: wide", bad, "'transformer.dim' must be an integer, not 'wide'"},
      {"quoted number", "dim: 96", "dim: '96'", bad, "'transformer.dim' must be an integer"},
      {"fraction", "dim: 96", "dim: 96.5", bad, "'transformer.dim' must be an integer"},
      {"huge", "dim: 96", "dim: 99999999999999999999", bad, "'transformer.dim' must be an integer"},
      {"negative", "dim: 96", "dim: -96", bad, "'transformer.dim' is -96; it must be from 1 to 1048576"},
      {"list for number", "dim: 96", "dim: [96]", bad, "'transformer.dim' must be an integer"},
      {"number for list", "[64, 48, 16, 16]", "64", bad, "'autoencoder.decoder_widths' must be a list"},
      {"text in list", "[64, 48, 16, 16]", "[64, 48, x, 16]", bad, "'autoencoder.decoder_widths[2]'"},
      {"short list", "[64, 48, 16, 16]", "[64, 48]", bad, "'autoencoder.decoder_widths' needs 4 numbers"},
      {"not a number", "seed: 7", "fps: .nan", bad, "'defaults.fps' is nan"},
      {"infinite", "seed: 7", "timestep_shift: .inf", bad, "'defaults.timestep_shift' is inf"},
      {"heads", "num_heads: 4, num_layers: 2", "num_heads: 5, num_layers: 2", bad,
       "'transformer.num_heads' 5 does not divide dim 96"},
      {"window", "sink_size: 3", "sink_size: 9", bad, "'transformer.sink_size' 9 leaves no room"},
      {"kind", "kind: tiny", "kind: big", bad, "'autoencoder.kind' is 'big'; allowed values are vae and tiny"},
      {"field of the other kind", "kind: tiny", "kind: vae", bad, "'autoencoder.decoder_widths' is not a known key"},
      {"widths differ", "text_dim: 48", "text_dim: 64", bad,
       "'transformer.text_dim' is 64, but 'text_encoder.dim' is 48"},
      {"channels differ", "encoder_width: 16", "latent_channels: 8", bad, "'transformer.out_dim' is 16"},
      {"steps rise", "[1000, 500.5]", "[500, 1000]", bad, "'defaults.denoising_step_list' must decrease"},
      {"step too large", "[1000, 500.5]", "[1001]", bad, "more than num_train_timestep"},
      {"segment", "seed: 7", "segment_length: 20", bad, "'defaults.segment_length' must be a multiple of 3 (got 20)"},
      {"overlap", "seed: 7", "overlap_frames: 21", bad, "'defaults.overlap_frames' 21 must be less"},
      {"schema", "schema: 1", "schema: 2", ErrorCode::unsupported, "'schema' is 2, but this build reads only 1"},
      {"no schema", "schema: 1\n", "", bad, "'schema' is missing"},
      {"family", "family: wan", "family: \"e\\e[31m\"", ErrorCode::unsupported, "\\x1b[31m"},
      {"climbs out", "file: t.safetensors", "file: ../t.safetensors", bad,
       "'transformer.file' is '../t.safetensors'; give a path inside"},
      {"climbs out inside", "file: t.safetensors", "file: x/../../t.safetensors", bad, "without '..'"},
      {"absolute", "file: t.safetensors", "file: /etc/passwd", bad, "'transformer.file' is '/etc/passwd'"},
      {"empty path", "file: t.safetensors", "file: ''", bad, "'transformer.file'"},
      {"no such file", "file: t.safetensors", "file: u.safetensors", ErrorCode::not_found, "which does not exist"},
      {"endless name", "file: t.safetensors", "file: " + std::string(10'000, 'a'), ErrorCode::not_found,
       "which does not exist"},
      {"no YAML", "schema: 1", "schema: [1", bad, "is not valid YAML: line"},
      {"not a mapping", kManifest, "- 1", bad, "the file must be a mapping"},
      {"empty", kManifest, "", bad, "the file must be a mapping"},
      {"deep nesting", kManifest, std::string(100'000, '['), bad, ""},
  };
  for (const Wrong& wrong : cases) {
    SCOPED_TRACE(wrong.name);
    std::string yaml = kManifest;
    ASSERT_NE(yaml.find(wrong.from), std::string::npos);
    yaml.replace(yaml.find(wrong.from), wrong.from.size(), wrong.to);
    try {
      parse_manifest(yaml, folder, "model.yaml");
      ADD_FAILURE() << "was read";
    } catch (const Error& error) {
      EXPECT_EQ(name(error.code()), name(wrong.code)) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(wrong.words));
      EXPECT_THAT(error.what(), HasSubstr("model.yaml"));
    }
  }
}

std::vector<forge::TensorSpec> specs(const std::map<std::string, std::vector<int64_t>>& shapes,
                                     const std::string& prefix = "") {
  std::vector<forge::TensorSpec> tensors;
  for (const auto& [key, shape] : shapes) tensors.push_back({prefix + key, shape});
  return tensors;
}

TEST(ModelDirectory, the_published_layout_is_opened_without_a_manifest) {
  const ModelFolder scratch;
  const fs::path& folder = scratch.path;
  try {
    open_model_directory(folder);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    for (const char* words : {"model.yaml", "Wan2.1_VAE.pth", "models_t5_umt5-xxl-enc-bf16.pth",
                              "diffusion_pytorch_model.safetensors", "google/umt5-xxl"})
      EXPECT_THAT(error.what(), HasSubstr(words));
  }
  fs::create_directories(folder / "google/umt5-xxl");
  forge::write_sparse_safetensors(folder / "diffusion_pytorch_model.safetensors",
                                  specs(parameter_shapes(TransformerConfig{})));
  forge::write_sparse_torch_zip(folder / "Wan2.1_VAE.pth", {{"", specs(parameter_shapes(VaeConfig{}))}});
  forge::write_sparse_torch_zip(folder / "models_t5_umt5-xxl-enc-bf16.pth",
                                {{"", specs(parameter_shapes(Umt5Config{}))}});
  const ModelDirectory many_step = open_model_directory(folder);
  EXPECT_EQ(many_step.transformer.config, TransformerConfig{});
  EXPECT_EQ(many_step.text_encoder.config, Umt5Config{});
  EXPECT_EQ(many_step.autoencoder.vae, VaeConfig{});
  EXPECT_TRUE(many_step.defaults.denoising_step_list.empty());

  const fs::path few_step_file = folder / "elsewhere" / "self_forcing_dmd.pt",
                 tiny_file = folder / "elsewhere" / "taew2_1.pth";
  fs::create_directories(folder / "elsewhere");
  forge::write_sparse_torch_zip(few_step_file,
                                {{"generator_ema", specs(parameter_shapes(TransformerConfig{}), "model.")}});
  forge::write_sparse_torch_zip(tiny_file, {{"", specs(parameter_shapes(TinyAutoencoderConfig{}))}});
  const ModelDirectory few_step = open_model_directory(
      folder, {.checkpoint = few_step_file, .branch = Branch::generator_ema, .preview_autoencoder = tiny_file});
  EXPECT_EQ(few_step.transformer.file, few_step_file);
  EXPECT_EQ(few_step.transformer.branch, Branch::generator_ema);
  EXPECT_EQ(few_step.defaults.denoising_step_list, Defaults{}.denoising_step_list);
  ASSERT_TRUE(few_step.preview_autoencoder.has_value());
  EXPECT_EQ(few_step.preview_autoencoder->tiny, TinyAutoencoderConfig{});
}

TEST(ModelDirectory, a_missing_folder_is_named) {
  EXPECT_THROW(open_model_directory("/no/such/folder"), Error);
  EXPECT_THROW(open_model_directory(std::string(10'000, 'a')), Error);
}

}  // namespace
}  // namespace rushes::wan
