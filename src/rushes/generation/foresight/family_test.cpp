// A Foresight model from its files to its first word and frame.
#include "rushes/generation/foresight/family.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/generation/foresight/model_directory.h"
#include "rushes/generation/foresight/tiny.h"
#include "rushes/text/train_unigram.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// A model's folder with all parts.
struct ModelFolder {
  ScratchFolder folder;
  const fs::path path = folder.path / "model";

  explicit ModelFolder(const TinyForesight& parts = {}) {
    const fs::path tokenizer = folder.path / "pieces.model";
    const std::vector<std::string> sentences{"a red ball rolls down the hill",
                                             "worst quality, blurry, jittery, distorted",
                                             "What will happen if I push the ball?"};
    text::train_unigram(sentences, 64, tokenizer);
    write_random_foresight_model(path, tokenizer, 1, parts);
  }
};

struct Answer {
  std::string text;
  int64_t video_frames = 0;
  std::vector<uint8_t> first_frame;
};

Answer answer_to(const Model& model, Options options = {}) {
  const auto grey = std::make_shared<const std::vector<uint8_t>>(48 * 40 * 3, 90);
  Request request{.prompts = {"What will happen if I push the ball?"},
                  .image = Image{{grey, grey->data()}, 48, 40},
                  .seed = 3,
                  .options = std::move(options)};
  const auto generator = start(model, request);
  Answer answer;
  for (StepResult result; result.outcome == StepOutcome::again;) {
    result = generator->step({});
    for (const Event& event : result.events) {
      if (const auto* chunk = std::get_if<TextChunk>(&event)) answer.text += chunk->utf8;
      if (const auto* block = std::get_if<FrameBlock>(&event)) {
        if (answer.video_frames == 0) answer.first_frame.assign(block->frame(0), block->frame(1));
        answer.video_frames += block->video_frames;
      }
      if (const auto* failed = std::get_if<TrackFailed>(&event)) ADD_FAILURE() << failed->message;
    }
  }
  return answer;
}

TEST(ForesightFamily, a_model_from_files_answers_as_the_one_in_memory) {
  const ModelFolder files;
  ASSERT_NE(family_at(files.path), nullptr);
  EXPECT_EQ(family_at(files.path)->name, "foresight");
  const auto model = load_model({.path = files.path.string()});
  EXPECT_EQ(model->card().family, "foresight");
  EXPECT_EQ(model->card().networks.size(), 6u);
  EXPECT_THAT(model->card().description, HasSubstr("64x64 at 15 fps"));
  const Answer answer = answer_to(*model);
  EXPECT_EQ(answer.text, answer_to(*random_foresight_model(1)).text);
  EXPECT_EQ(answer.video_frames, 15);
  EXPECT_EQ(answer_to(*model, {{"conditioning", "adapter"}}).video_frames, 15);
}

TEST(ForesightFamily, the_same_folders_without_a_manifest_are_found_by_what_is_in_them) {
  const ModelFolder files;
  const auto with = load_model({.path = files.path.string()});
  fs::remove(files.path / "model.yaml");
  ASSERT_TRUE(is_foresight_directory(files.path));
  const ForesightDirectory found = open_foresight_directory(files.path);
  EXPECT_EQ(found.language, files.path / "language");
  EXPECT_EQ(found.video, files.path / "video");
  EXPECT_EQ(found.text_encoder, files.path / "video/text_encoder");
  EXPECT_EQ(found.tokenizer, files.path / "video/tokenizer/spiece.model");
  EXPECT_EQ(found.spatial, files.path / "dinov2.safetensors");
  EXPECT_EQ(found.adapter, files.path / "adapter.safetensors");
  EXPECT_EQ(found.defaults, ForesightSettings{});  // the published ones
  const Options small{{"tracks", "text"}, {"max_new_tokens", int64_t{24}}};
  EXPECT_EQ(answer_to(*load_model({.path = files.path.string()}), small).text, answer_to(*with, small).text);
}

TEST(ForesightFamily, a_language_model_or_a_video_model_alone_is_one_half) {
  const ModelFolder files;
  const auto words = load_model({.path = (files.path / "language").string()});
  EXPECT_FALSE(words->capabilities().yields.has(Modality::video));
  EXPECT_FALSE(answer_to(*words, {{"max_new_tokens", int64_t{8}}}).text.empty());
  const auto frames = load_model({.path = (files.path / "video").string()});
  EXPECT_FALSE(frames->capabilities().yields.has(Modality::text));
  EXPECT_EQ(frames->card().networks.size(), 3u);
}

TEST(ForesightFamily, a_manifest_that_was_written_is_read_as_it_was) {
  const ModelFolder files;
  ForesightDirectory model = open_foresight_directory(files.path);
  model.defaults.previews = 5;
  model.defaults.negative_prompt = "dull: \"grey\"";
  model.defaults.conditioning = PromptSource::adapter;
  model.trained_for = {.sizes = {{64, 64}, {64, 96}}, .video_frames = 17};
  model.words.phrases = {"What will happen", "ball"};
  std::ofstream(files.path / "model.yaml") << foresight_manifest(model);
  EXPECT_EQ(open_foresight_directory(files.path), model);
  EXPECT_EQ(load_model({.path = files.path.string()})->card().trained_for, model.trained_for);
  EXPECT_EQ(load_model({.path = files.path.string()})->card().words, model.words);
}

TEST(ForesightFamily, what_a_request_gives_is_told_before_a_model_is_loaded_as_it_tells_it_itself) {
  const ModelFolder files;
  const auto model = load_model({.path = files.path.string()});
  Request usual, other{.video_frames = 17, .width = 96}, words;
  other.fps = 12.5;
  words.options.set("tracks", "text");
  for (const Request& request : {usual, other, words}) {
    const VideoFormat told = foresight_family().format_of(files.path, request), own = model->plan(request)->format();
    EXPECT_EQ(told.width, own.width);
    EXPECT_EQ(told.height, own.height);
    EXPECT_EQ(told.video_frames, own.video_frames);
    EXPECT_EQ(told.fps, own.fps);
  }
  EXPECT_EQ(foresight_family().format_of(files.path, usual).width, 64);
  EXPECT_EQ(foresight_family().format_of(files.path / "language", usual).video_frames, 0);
}

TEST(ForesightFamily, half_precision_answers_too) {
  const ModelFolder files;
  const auto model = load_model({.path = files.path.string(), .dtype = "bfloat16"});
  EXPECT_THAT(model->card().description, HasSubstr("bfloat16"));
  const Answer answer = answer_to(*model);
  EXPECT_FALSE(answer.text.empty());
  EXPECT_EQ(answer.video_frames, 15);
}

TEST(ForesightFamily, what_is_missing_or_has_no_use_is_told) {
  const ModelFolder files;
  const auto message_of = [&](ModelOptions options) -> std::string {
    options.path = files.path.string();
    try {
      load_model(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message_of({.checkpoint = "other.pt"}), HasSubstr("name their files in its model.yaml"));
  EXPECT_THAT(message_of({.configuration = "x"}), HasSubstr("defaults in their manifest"));
  EXPECT_THAT(message_of({.decoder = "tiny"}), HasSubstr("no tiny autoencoder"));
  EXPECT_THAT(message_of({.sampler = "few_step"}), HasSubstr("many steps"));
  const auto with_manifest = [&](const std::string& yaml) {
    std::ofstream(files.path / "model.yaml") << "schema: 1\nname: x\nfamily: foresight\n" << yaml;
    return message_of({});
  };
  EXPECT_THAT(with_manifest(""), HasSubstr("neither a language model nor a video model"));
  EXPECT_THAT(with_manifest("language: {folder: nowhere}\n"), HasSubstr("does not exist"));
  EXPECT_THAT(with_manifest("language: {folder: language, file: language}\n"), HasSubstr("one of both"));
  EXPECT_THAT(with_manifest("language: {folder: language}\nadapter: {file: adapter.safetensors}\n"),
              HasSubstr("spatial (DINOv2)"));
  EXPECT_THAT(with_manifest("language: {folder: language}\ndefaults: {steps: 1}\n"), HasSubstr("steps"));
  EXPECT_THAT(with_manifest("video: {folder: language}\n"), HasSubstr("missing text_encoder"));
}

}  // namespace
}  // namespace rushes::generation
