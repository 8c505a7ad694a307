// An avatar's model from its files to its first block.
#include "rushes/generation/omniavatar/family.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/generation/inspection.h"
#include "rushes/generation/omniavatar/tiny.h"

namespace rushes::generation {
namespace {

using omniavatar::Sampler;
using testing::HasSubstr;

constexpr const char* kTokenizer = RUSHES_SOURCE_DIR "/tests/golden/wan/tokenizer_unigram/tokenizer.json";

int64_t frames_of(const Model& model) {
  Request request{.prompts = {"a face"}, .video_frames = 15};
  request.options.set("silent", true);
  const auto generator = start(model, request);
  int64_t frames = 0;
  for (StepResult result; result.outcome == StepOutcome::again;) {
    result = generator->step({});
    for (const Event& event : result.events)
      if (const auto* block = std::get_if<FrameBlock>(&event)) frames += block->video_frames;
  }
  return frames;
}

TEST(AvatarFamily, a_directory_is_loaded_as_what_its_manifest_says) {
  for (const Sampler sampler : {Sampler::causal, Sampler::bidirectional}) {
    const ScratchFolder folder;
    write_random_omniavatar_model(folder.path, kTokenizer, 1, sampler);
    const auto model = load_model({.path = folder.path.string()});
    EXPECT_EQ(model->card().family, "omniavatar");
    EXPECT_THAT(model->card().description,
                HasSubstr(sampler == Sampler::causal ? "block by block at 16" : "segment by segment at 25"));
    EXPECT_EQ(model->card().networks.size(), 4u);
    EXPECT_EQ(frames_of(*model), 15);
  }
}

TEST(AvatarFamily, the_command_line_may_say_how_weights_are_sampled_and_in_which_type) {
  const ScratchFolder folder;
  write_random_omniavatar_model(folder.path, kTokenizer);
  const auto model = load_model({.path = folder.path.string(), .dtype = "bfloat16"});
  EXPECT_THAT(model->card().description, HasSubstr("bfloat16"));
  EXPECT_EQ(frames_of(*model), 15);
  EXPECT_THAT(load_model({.path = folder.path.string(), .sampler = "many_step"})->card().description,
              HasSubstr("segment by segment"));
}

TEST(AvatarFamily, its_files_without_a_manifest_are_its_own_although_most_of_them_are_those_of_another) {
  const ScratchFolder scratch;
  const std::filesystem::path folder = scratch.path / "avatar";  // nothing that is missing lies beside it
  write_random_omniavatar_model(folder, kTokenizer);
  const Report report = inspect(folder / "transformer.safetensors", Tensors::counted);
  ASSERT_EQ(report["parts"].size(), 1u) << report.dump(2);
  EXPECT_EQ(report["parts"][0]["family"], "omniavatar");
  EXPECT_EQ(report["parts"][0]["config"]["in_dim"], 33);
  EXPECT_EQ(inspect(folder / "text_encoder.safetensors", Tensors::counted)["parts"][0]["family"], "wan");
  std::filesystem::remove(folder / "model.yaml");
  std::filesystem::remove(folder / "audio_encoder.safetensors");
  try {
    load_model({.path = folder.string()});
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("missing"));
    EXPECT_THAT(error.what(), HasSubstr("wav2vec2"));
  }
}

TEST(AvatarFamily, what_it_has_no_use_for_is_refused) {
  const ScratchFolder folder;
  write_random_omniavatar_model(folder.path, kTokenizer);
  const struct {
    ModelOptions options;
    const char* words;
  } cases[] = {{{.checkpoint = "other.pt"}, "name the folder of its checkpoint"},
               {{.configuration = "other.pkl"}, "defaults in their manifest"},
               {{.decoder = "vae"}, "has no vae autoencoder"},
               {{.sampler = "often"}, "auto, few_step or many_step"}};
  for (auto each : cases) {
    SCOPED_TRACE(each.words);
    each.options.path = folder.path.string();
    try {
      load_model(each.options);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(each.words));
    }
  }
}

}  // namespace
}  // namespace rushes::generation
