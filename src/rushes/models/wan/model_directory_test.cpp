#include "rushes/models/wan/model_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/base/manifest.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/models/wan/config_fields.h"
#include "rushes/models/wan/published_layout.h"
#include "rushes/tensor/checkpoint_forge.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"

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
trained_for: {sizes: [128x96, 96x96], frames: 81}
words: [a, red, "on", to the left]
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
  EXPECT_EQ(model.trained_for, (TrainedFor{.sizes = {{96, 128}, {96, 96}}, .video_frames = 81}));
  EXPECT_EQ(manifest_trained_for(folder), model.trained_for) << "before anything else is read";
  EXPECT_EQ(manifest_trained_for(folder / "nowhere"), TrainedFor{});
  EXPECT_EQ(model.words.phrases, (std::vector<std::string>{"a", "red", "on", "to the left"}));
  EXPECT_EQ(manifest_words(folder), model.words);
  EXPECT_EQ(manifest_words(folder / "nowhere"), KnownWords{});
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
  for (const TrainedFor& other : {TrainedFor{}, TrainedFor{.video_frames = 9}, TrainedFor{.sizes = {{64, 8}}}}) {
    model.trained_for = other;
    model.words.phrases = {"no", "1", "it's: \"so\""};
    EXPECT_EQ(parse_manifest(manifest_yaml(model), folder, "m"), model) << manifest_yaml(model);
  }
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
      {"solver", "seed: 7", "solver: magic", bad, "'defaults.solver' is 'magic'; allowed values are unipc"},
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
      {"not a size", "128x96", "large", bad,
       "'trained_for.sizes[0]' must be a size, width x height, such as 832x480, not 'large'"},
      {"half a size", "128x96", "128x", bad, "'trained_for.sizes[0]' must be a size"},
      {"three sides", "128x96", "128x96x3", bad, "'trained_for.sizes[0]' must be a size"},
      {"a side alone", "128x96", "128", bad, "'trained_for.sizes[0]' must be a size"},
      {"a list as a size", "128x96", "[128, 96]", bad, "'trained_for.sizes[0]' must be a size"},
      {"size too small", "128x96", "128x4", bad, "'trained_for.sizes[0]' is 4; it must be from 8 to 8192"},
      {"one size without a list", "[128x96, 96x96]", "96x96", bad, "'trained_for.sizes' must be a list"},
      {"no frames", "frames: 81", "frames: 0", bad, "'trained_for.frames' is 0"},
      {"seconds", "frames: 81", "seconds: 5", bad,
       "'trained_for.seconds' is not a known key; the allowed keys are: sizes, frames"},
      {"words without a list", "[a, red, \"on\", to the left]", "red", bad, "'words' must be a list"},
      {"an empty word", "[a, red,", "[a, '-',", bad, "'words' has an entry [1] that is not a word"},
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

/// Diffusers' names of tensors under the published ones.
std::vector<forge::TensorSpec> in_diffusers_names(const std::vector<forge::TensorSpec>& tensors, const char* part) {
  std::ifstream in(fs::path(RUSHES_SOURCE_DIR) / "tests/manifests/diffusers_key_map.json");
  const nlohmann::json map = nlohmann::json::parse(in).at(part);
  std::vector<forge::TensorSpec> renamed;
  for (const auto& tensor : tensors) {
    // The map has the first block, which stands for all.
    const auto dot = map.contains(tensor.key) ? std::string::npos : tensor.key.find('.', 7);
    const std::string block = dot == std::string::npos ? "" : tensor.key.substr(7, dot - 7);
    std::string name = map.at(block.empty() ? tensor.key : "blocks.0" + tensor.key.substr(dot));
    if (!block.empty()) name.replace(name.find(".0.") + 1, 1, block);
    renamed.push_back({name, tensor.shape, tensor.dtype});
  }
  return renamed;
}

/// A pipeline as diffusers saves it, of full size and without data; `files`: of the transformer.
struct DiffusersFolder : ScratchFolder {
  explicit DiffusersFolder(const std::string& transformer_file = "diffusion_pytorch_model.safetensors") {
    for (const char* folder : {"transformer", "text_encoder", "vae", "tokenizer", "scheduler"})
      fs::create_directories(path / folder);
    write("model_index.json", R"({"_class_name": "WanPipeline", "transformer": ["diffusers", "WanTransformer3DModel"],
        "scheduler": ["diffusers", "UniPCMultistepScheduler"], "vae": ["diffusers", "AutoencoderKLWan"]})");
    write("transformer/config.json", R"({"_class_name": "WanTransformer3DModel", "num_attention_heads": 12,
        "attention_head_dim": 128, "eps": 1e-5})");
    write("vae/config.json", R"({"_class_name": "AutoencoderKLWan", "z_dim": 16, "latents_mean":
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]})");
    write("text_encoder/config.json", R"({"d_model": 4096, "num_heads": 64, "relative_attention_max_distance": 64})");
    write("scheduler/scheduler_config.json", R"({"_class_name": "UniPCMultistepScheduler", "flow_shift": 3.0})");
    write("tokenizer/spiece.model", "x");
    forge::write_sparse_safetensors(path / "transformer" / transformer_file,
                                    in_diffusers_names(specs(parameter_shapes(TransformerConfig{})), "transformer"));
    forge::write_sparse_safetensors(path / "vae/diffusion_pytorch_model.safetensors",
                                    in_diffusers_names(specs(parameter_shapes(VaeConfig{})), "vae"));
    const auto text = in_diffusers_names(specs(parameter_shapes(Umt5Config{})), "umt5_block0");
    nlohmann::json index;
    for (const auto& tensor : text) index["weight_map"][tensor.key] = "model-00001-of-00001.safetensors";
    forge::write_sparse_safetensors(path / "text_encoder/model-00001-of-00001.safetensors", text);
    write("text_encoder/model.safetensors.index.json", index.dump());
  }
  void write(const std::string& file, const std::string& text) const { std::ofstream(path / file) << text; }
};

TEST(ModelDirectory, a_diffusers_pipeline_is_opened_with_what_its_json_files_say) {
  const DiffusersFolder folder;
  EXPECT_TRUE(has_published_layout(folder.path));
  const ModelDirectory model = open_model_directory(folder.path);
  EXPECT_EQ(model.transformer.config.num_heads, 12);
  EXPECT_EQ(model.transformer.config.eps, 1e-5);
  EXPECT_EQ(model.text_encoder.config.max_distance, 64);
  EXPECT_EQ(model.autoencoder.vae.mean.front(), 1);
  EXPECT_EQ(model.autoencoder.vae.std, VaeConfig{}.std);
  EXPECT_EQ(model.tokenizer, folder.path / "tokenizer");
  EXPECT_TRUE(model.defaults.denoising_step_list.empty());
  EXPECT_EQ(model.defaults.timestep_shift, 3.0);
  EXPECT_EQ(model.defaults.guidance_scale, 5.0);
  EXPECT_TRUE(model.assumptions.empty()) << model.assumptions.front();
  EXPECT_EQ(load_transformer(model.transformer.file, model.transformer.config).parameter_count(), 1'418'996'800);
  EXPECT_EQ(load_text_encoder(model.text_encoder.file, model.text_encoder.config).parameter_count(), 5'680'910'336);
  EXPECT_EQ(load_vae(model.autoencoder.file, model.autoencoder.vae).parameter_count(), 126'892'531);
}

TEST(ModelDirectory, variants_and_other_schedulers_of_a_diffusers_pipeline_are_opened) {
  const DiffusersFolder folder("diffusion_pytorch_model.fp16.safetensors");
  folder.write("scheduler/scheduler_config.json", R"({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 8})");
  EXPECT_EQ(open_model_directory(folder.path).defaults.solver, "euler");
  EXPECT_EQ(open_model_directory(folder.path).defaults.timestep_shift, 8);
  folder.write("model_index.json", R"({"_class_name": "WanCausalDMDPipeline"})");
  EXPECT_EQ(open_model_directory(folder.path).defaults.denoising_step_list, Defaults{}.denoising_step_list);
}

TEST(ModelDirectory, pipelines_that_would_not_be_run_as_they_are_meant_are_refused) {
  const struct {
    const char *file, *text, *words;
    ErrorCode code;
  } rows[] = {
      {"model_index.json", R"({"_class_name": "CogVideoXPipeline"})", "'CogVideoXPipeline', which is not one of Wan",
       ErrorCode::unsupported},
      {"model_index.json", R"({"_class_name": "WanPipeline", "transformer_2": ["diffusers", "WanTransformer3DModel"]})",
       "two transformers", ErrorCode::unsupported},
      {"vae/config.json", R"({"latents_mean": [1]})", "latents_mean has 1 numbers; it must have 16",
       ErrorCode::invalid_argument},
      {"transformer/config.json", R"({"num_heads": 0})", "num_heads is 0", ErrorCode::invalid_argument},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.words);
    const DiffusersFolder folder;
    folder.write(row.file, row.text);
    try {
      open_model_directory(folder.path);
      ADD_FAILURE() << "was opened";
    } catch (const Error& error) {
      EXPECT_EQ(name(error.code()), name(row.code));
      EXPECT_THAT(error.what(), HasSubstr(row.words));
    }
  }
}

TEST(ModelDirectory, files_of_any_names_are_told_apart_by_what_they_hold) {
  const ScratchFolder scratch;
  const fs::path& folder = scratch.path;
  for (const char* below : {"diffusion_models", "text_encoders", "vae", ".cache"})
    fs::create_directories(folder / below);
  const auto transformer = specs(parameter_shapes(TransformerConfig{}), "model.diffusion_model.");
  forge::write_sparse_safetensors(folder / "diffusion_models/wan2.1_t2v_1.3B_fp16.safetensors", transformer);
  forge::write_sparse_safetensors(folder / ".cache/wan2.1_t2v_1.3B_fp16.safetensors", transformer);
  auto text = in_diffusers_names(specs(parameter_shapes(Umt5Config{})), "umt5_block0");
  text.push_back({"spiece_model", {4'548'313}, at::kByte});
  forge::write_sparse_safetensors(folder / "text_encoders/umt5_xxl_fp16.safetensors", text);
  forge::write_sparse_safetensors(folder / "vae/wan_2.1_vae.safetensors", specs(parameter_shapes(VaeConfig{})));
  forge::write_sparse_safetensors(folder / "vae/other_vae.safetensors", {{"decoder.conv_in.weight", {4}}});
  EXPECT_TRUE(has_published_layout(folder));
  const ModelDirectory model = open_model_directory(folder);
  EXPECT_EQ(model.transformer.file, folder / "diffusion_models/wan2.1_t2v_1.3B_fp16.safetensors");
  EXPECT_EQ(model.autoencoder.file, folder / "vae/wan_2.1_vae.safetensors");
  EXPECT_EQ(model.tokenizer, folder / "text_encoders/umt5_xxl_fp16.safetensors") << "which brings it along";
  EXPECT_EQ(embedded_tokenizer(model.tokenizer)->size(), 4'548'313u);
  forge::write_sparse_safetensors(folder / "diffusion_models/second.safetensors", transformer);
  try {
    open_model_directory(folder);
    ADD_FAILURE() << "was opened";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("diffusion_models/second.safetensors, diffusion_models/wan2.1"));
    EXPECT_THAT(error.what(), HasSubstr("--checkpoint"));
  }
  EXPECT_EQ(
      open_model_directory(folder, {.checkpoint = folder / "diffusion_models/second.safetensors"}).transformer.file,
      folder / "diffusion_models/second.safetensors");
  fs::remove_all(folder / "vae");
  EXPECT_THROW(open_model_directory(folder), Error);
}

TEST(ModelDirectory, contents_decide_the_sampler_and_what_they_do_not_tell_is_said) {
  const ScratchFolder scratch;
  const fs::path& folder = scratch.path;
  fs::create_directories(folder / "google/umt5-xxl");
  std::ofstream(folder / "google/umt5-xxl/spiece.model") << "x";
  const auto tensors = specs(parameter_shapes(TransformerConfig{}));
  forge::write_sparse_safetensors(folder / "diffusion_pytorch_model.safetensors", tensors);
  forge::write_sparse_torch_zip(folder / "Wan2.1_VAE.pth", {{"", specs(parameter_shapes(VaeConfig{}))}});
  forge::write_sparse_torch_zip(folder / "models_t5_umt5-xxl-enc-bf16.pth",
                                {{"", specs(parameter_shapes(Umt5Config{}))}});
  const auto opened = [&](ModelDirectoryOverrides overrides = {}) { return open_model_directory(folder, overrides); };
  const auto is_few_step = [](const ModelDirectory& model) { return !model.defaults.denoising_step_list.empty(); };

  ModelDirectory model = opened();
  EXPECT_FALSE(is_few_step(model));
  ASSERT_EQ(model.assumptions.size(), 1u);
  EXPECT_THAT(model.assumptions.front(), HasSubstr("50 steps with guidance 5"));
  EXPECT_THAT(model.assumptions.front(), HasSubstr("--sampler few_step"));

  std::ofstream(folder / "config.json") << R"({"_class_name": "WanModel", "dim": 1536, "num_heads": 12})";
  EXPECT_TRUE(opened().assumptions.empty());
  EXPECT_FALSE(is_few_step(opened()));
  EXPECT_TRUE(is_few_step(opened({.sampler = Sampler::few_step})));

  // Whatever it is called, and in whatever folder: the config.json there is of another file.
  for (const char* name : {"wan2.1_t2v_1.3B_fp16.safetensors", "self_forcing_dmd.pt", "base.pth"}) {
    SCOPED_TRACE(name);
    forge::write_sparse_safetensors(folder / name, tensors);
    model = opened({.checkpoint = folder / name});
    EXPECT_FALSE(is_few_step(model));
    EXPECT_EQ(model.defaults.guidance_scale, 5.0);
    EXPECT_EQ(model.assumptions.size(), 1u);
    EXPECT_TRUE(opened({.checkpoint = folder / name, .sampler = Sampler::many_step}).assumptions.empty());
    forge::write_sparse_torch_zip(folder / name,
                                  {{"generator_ema", specs(parameter_shapes(TransformerConfig{}), "model.")}});
    model = opened({.checkpoint = folder / name});
    EXPECT_TRUE(is_few_step(model));
    EXPECT_TRUE(model.assumptions.empty());
    fs::remove(folder / name);
  }
  tensor::save_safetensors(folder / "small.safetensors", {{"head.head.weight", at::zeros({4, 4})}},
                           {{"modelspec.title", "Wan 2.1 Self-Forcing DMD"}});
  EXPECT_TRUE(choose_sampler(folder, folder / "small.safetensors").few_step);
}

TEST(ModelDirectory, the_documents_name_every_field_of_the_manifest) {
  std::ifstream in(fs::path(RUSHES_SOURCE_DIR) / "docs/model_folders.md");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto named = [&](const char* field, const auto&, FieldRange = kAny) {
    EXPECT_THAT(text, HasSubstr(std::string("`") + field + "`"));
  };
  const ModelDirectory model;
  visit_transformer_fields(model.transformer.config, named);
  visit_umt5_fields(model.text_encoder.config, named);
  visit_vae_fields(model.autoencoder.vae, named);
  visit_tiny_autoencoder_fields(model.autoencoder.tiny, named);
  visit_default_fields(model.defaults, named);
}

TEST(ModelDirectory, a_missing_folder_is_named) {
  EXPECT_THROW(open_model_directory("/no/such/folder"), Error);
  EXPECT_THROW(open_model_directory(std::string(10'000, 'a')), Error);
}

}  // namespace
}  // namespace rushes::wan
