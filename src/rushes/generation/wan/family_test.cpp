#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "rushes/base/error.h"
#include "rushes/generation/registry.h"
#include "rushes/generation/wan/tiny.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;

/// A model directory with random weights, made once.
const fs::path& directory() {
  struct Scratch {
    fs::path path = fs::temp_directory_path() / ("rushes_load_model_" + std::to_string(::getpid()));
    Scratch() { write_random_model(path, RUSHES_SOURCE_DIR "/tests/golden/wan/tokenizer_unigram/tokenizer.json"); }
    ~Scratch() { fs::remove_all(path); }
  };
  static const Scratch scratch;
  return scratch.path;
}

Request request() {
  Request r;
  r.prompts = {"abc"};
  r.options.set("segment_length", int64_t{6});
  return r;
}

std::vector<uint8_t> generate(const Model& model) {
  std::vector<uint8_t> rgb;
  const auto generator = start(model, request());
  for (;;) {
    const StepResult result = generator->step({});
    for (const Event& event : result.events)
      if (const auto* block = std::get_if<FrameBlock>(&event))
        rgb.insert(rgb.end(), block->rgb.get(),
                   block->rgb.get() + block->video_frames * static_cast<int64_t>(block->frame_bytes()));
    if (result.outcome == StepOutcome::finished) return rgb;
  }
}

TEST(LoadModel, a_directory_gives_the_same_video_at_every_start) {
  const auto one = load_model({.path = directory(), .dtype = "float32"}),
             two = load_model({.path = directory(), .dtype = "auto"});
  EXPECT_EQ(one->card().name, "random");
  const auto video = generate(*one);
  EXPECT_EQ(video.size(), 21u * 32 * 32 * 3);
  EXPECT_EQ(video, generate(*two));
}

TEST(LoadModel, a_size_or_a_segment_beyond_what_the_manifest_says_is_warned_of) {
  const auto warnings = [](const Model& model, int64_t height, int64_t width, std::optional<int64_t> frames = {}) {
    Request asked = request();
    asked.height = height;
    asked.width = width;
    asked.video_frames = frames;
    return model.plan(asked)->warnings;
  };
  EXPECT_THAT(warnings(*load_model({.path = directory()}), 48, 32), testing::IsEmpty()) << "nothing is known";
  const fs::path says = directory() / "says";
  fs::copy(directory(), says);
  std::ofstream(says / "model.yaml", std::ios::app)
      << "trained_for: {sizes: [32x32, 32x48], frames: 9}\nwords: [a, red]\n";
  const auto model = load_model({.path = says});
  EXPECT_EQ(model->card().trained_for, (TrainedFor{.sizes = {{32, 32}, {48, 32}}, .video_frames = 9}));
  EXPECT_THAT(model->card().words.phrases, testing::ElementsAre("a", "red"));
  EXPECT_THAT(warnings(*model, 48, 32, 9), testing::IsEmpty());
  EXPECT_THAT(warnings(*model, 32, 48),
              testing::ElementsAre(testing::HasSubstr("trained for 32x32, 32x48, not for 48x32"),
                                   testing::HasSubstr("at most 9 frames at once, not for 21")));
  fs::remove_all(says);
}

TEST(LoadModel, bfloat16_weights_give_nearly_the_same_frames) {
  const auto exact = generate(*load_model({.path = directory(), .dtype = "float32"}));
  const auto rough = generate(*load_model({.path = directory(), .dtype = "bfloat16"}));
  ASSERT_EQ(exact.size(), rough.size());
  double difference = 0;
  for (size_t i = 0; i < exact.size(); ++i) difference += std::abs(exact[i] - rough[i]);
  EXPECT_LT(difference / static_cast<double>(exact.size()), 8);
  EXPECT_GT(difference, 0);
}

TEST(LoadModel, another_checkpoint_replaces_the_transformer) {
  const fs::path other = directory() / "other";
  write_random_model(other, directory() / "tokenizer.json", 1);
  const auto changed = load_model({.path = directory(), .checkpoint = other / "transformer.safetensors"});
  EXPECT_NE(generate(*changed), generate(*load_model({.path = directory()})));
}

/// The model with other tensors in its transformer's or text encoder's file.
fs::path with_tensors(const char* file, const std::function<void(std::map<std::string, at::Tensor>&)>& change) {
  const fs::path folder = directory() / "changed";
  fs::remove_all(folder);
  fs::create_directories(folder);
  for (const auto& entry : fs::directory_iterator(directory()))
    if (entry.is_regular_file()) fs::copy_file(entry.path(), folder / entry.path().filename());
  auto tensors = tensor::load_safetensors(directory() / file).tensors();
  change(tensors);
  tensor::save_safetensors(folder / file, tensors);
  return folder;
}

TEST(LoadModel, tensors_that_no_part_has_change_nothing_and_are_refused_on_demand) {
  const auto video = generate(*load_model({.path = directory()}));
  for (const char* file : {"transformer.safetensors", "text_encoder.safetensors", "autoencoder.safetensors"}) {
    SCOPED_TRACE(file);
    const fs::path changed = with_tensors(file, [](auto& tensors) {
      tensors["quant_state"] = at::empty({2}, at::kUInt16);
      tensors["freqs"] = at::zeros({3}, at::kComplexFloat);
    });
    EXPECT_EQ(generate(*load_model({.path = changed})), video);
    try {
      load_model({.path = changed, .strict = true});
      ADD_FAILURE() << "was loaded";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("not part of this model (2)"), std::string::npos) << error.what();
    }
  }
}

TEST(LoadModel, scaled_8_bit_weights_give_nearly_the_same_frames) {
  const auto exact = generate(*load_model({.path = directory()}));
  const fs::path changed = with_tensors("transformer.safetensors", [](auto& tensors) {
    const auto original = tensors;
    for (const auto& [key, tensor] : original) {
      if (tensor.dim() != 2 || !key.starts_with("blocks.") || !key.ends_with(".weight")) continue;
      const at::Tensor scale = tensor.to(at::kFloat).abs().max() / 448;
      tensors[key] = (tensor.to(at::kFloat) / scale).to(at::kFloat8_e4m3fn);
      tensors[key.substr(0, key.size() - 6) + "scale_weight"] = scale;
    }
    tensors["scaled_fp8"] = at::zeros({2}).to(at::kFloat8_e4m3fn);
  });
  const auto rough = generate(*load_model({.path = changed, .strict = true}));
  ASSERT_EQ(exact.size(), rough.size());
  double difference = 0;
  for (size_t i = 0; i < exact.size(); ++i) difference += std::abs(exact[i] - rough[i]);
  EXPECT_LT(difference / static_cast<double>(exact.size()), 16);
  EXPECT_GT(difference, 0);
}

TEST(LoadModel, the_sampler_can_be_said) {
  const auto solver = [](const Model& model) {
    for (const OptionField& field : model.options())
      if (field.name == "solver") return std::get<std::string>(field.standard);
    return std::string();
  };
  EXPECT_EQ(solver(*load_model({.path = directory()})), "few_step");
  EXPECT_EQ(solver(*load_model({.path = directory(), .sampler = "many_step"})), "unipc");
  EXPECT_EQ(solver(*load_model({.path = directory(), .sampler = "few_step"})), "few_step");
}

TEST(LoadModel, wrong_options_are_refused_by_name) {
  const struct {
    const char* name;
    ModelOptions options;
    ErrorCode code;
    const char* words;
  } rows[] = {
      {"no model", {}, ErrorCode::invalid_argument, "model must be a model directory"},
      {"missing directory", {.path = "/nowhere/at/all"}, ErrorCode::not_found, "/nowhere/at/all"},
      {"dtype", {.path = directory(), .dtype = "float8"}, ErrorCode::invalid_argument, "auto, float32 or bfloat16"},
      {"device", {.path = directory(), .device = "toaster"}, ErrorCode::invalid_argument, "cpu, cuda"},
      {"decoder", {.path = directory(), .decoder = "huge"}, ErrorCode::invalid_argument, "auto, vae or tiny"},
      {"sampler",
       {.path = directory(), .sampler = "quick"},
       ErrorCode::invalid_argument,
       "auto, few_step or many_step"},
      {"no such decoder", {.path = directory(), .decoder = "vae"}, ErrorCode::not_found, "no vae autoencoder"},
      {"missing checkpoint", {.path = directory(), .checkpoint = "/nowhere.pt"}, ErrorCode::not_found, "/nowhere.pt"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    try {
      load_model(row.options);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), row.code) << error.what();
      EXPECT_NE(std::string(error.what()).find(row.words), std::string::npos) << error.what();
    }
  }
}

TEST(LoadModel, the_word_random_needs_no_files) {
  EXPECT_EQ(generate(*load_model({.path = "random"})).size(), 21u * 32 * 32 * 3);
}

}  // namespace
}  // namespace rushes::generation
